//! `nft_do_chain`: base chains in order, rules in order, jumps and returns, policies.

use nftables::{HookPoint, Policy, Reject, Verdict};

use super::evaluate::{Flow, Trouble, evaluate};
use super::outcome::{
    Decision, FinalVerdict, InterpretError, Outcome, RulePlace, SetHit, StepResult, TraceStep,
};
use super::packet::{Options, Packet};
use super::state::State;
use super::table_index::{BaseChain, ChainIndex, RuleIndex, TableIndex};

/// `NFT_JUMP_STACK_SIZE`.
const JUMP_DEPTH: usize = 16;
/// No table that a kernel accepts sends a packet through so many chains: it refuses circles.
const CHAINS_ENTERED: usize = 100_000;

/// How a base chain ended.
struct End {
    verdict: FinalVerdict,
    decision: Decision,
}

/// How a rule ended, and the expression that ended it.
enum RuleEnd<'a> {
    NoMatch(usize),
    NoVerdict,
    Verdict(&'a Verdict),
    Reject(Reject),
}

pub(super) fn run(
    table: &TableIndex<'_>,
    hook: HookPoint,
    packet: &Packet<'_>,
    options: Options,
) -> Result<Outcome, InterpretError> {
    let mut run = Run {
        table,
        state: State::new(hook, packet, options)?,
        steps: Vec::new(),
    };
    let mut verdict = FinalVerdict::Accept;
    let mut decisive = None;
    for base in table.base_chains(hook) {
        run.state.enter(base.priority);
        let end = run.base_chain(base)?;
        verdict = end.verdict;
        decisive = Some(end.decision);
        // `accept` passes on to the next base chain; anything else is the last word.
        if !verdict.passes() {
            break;
        }
    }
    Ok(Outcome {
        verdict,
        decisive,
        counters: run.state.counters,
        log_prefixes: run.state.log_prefixes,
        zone: run.state.zone,
        mark: run.state.mark,
        steps: run.steps,
    })
}

struct Run<'t, 'a, 'p> {
    table: &'t TableIndex<'a>,
    state: State<'p>,
    steps: Vec<TraceStep>,
}

impl<'t, 'a> Run<'t, 'a, '_> {
    fn base_chain(&mut self, base: &BaseChain<'a>) -> Result<End, InterpretError> {
        let mut callers: Vec<(&'t ChainIndex<'a>, usize)> = Vec::new();
        let mut chain = self.chain(base.name, base.name, 0)?;
        let mut next = 0_usize;
        let mut entered = 1_usize;
        loop {
            let Some(rule) = chain.rules.get(next) else {
                let Some((caller, place)) = callers.pop() else {
                    return Ok(self.policy(base));
                };
                (chain, next) = (caller, place);
                continue;
            };
            let index = next;
            next = next.saturating_add(1);
            self.state.hits.clear();
            let end = self.rule(chain, index, rule)?;
            let hits = std::mem::take(&mut self.state.hits);
            let place = rule.place(index);
            if self.state.options.steps {
                self.steps.push(step(chain, place.clone(), &hits, &end));
            }
            let decision = |verdict| End {
                verdict,
                decision: Decision {
                    chain: chain.name.to_owned(),
                    rule: Some(place),
                    hits,
                },
            };
            let verdict = match end {
                RuleEnd::NoMatch(_) | RuleEnd::NoVerdict => continue,
                RuleEnd::Reject(reject) => return Ok(decision(FinalVerdict::Reject(reject))),
                RuleEnd::Verdict(verdict) => verdict,
            };
            match verdict {
                Verdict::Accept => return Ok(decision(FinalVerdict::Accept)),
                Verdict::Drop => return Ok(decision(FinalVerdict::Drop)),
                // As if the chain ended here: a caller goes on, or the base chain's policy decides.
                Verdict::Return => next = usize::MAX,
                Verdict::Jump(target) => {
                    if callers.len() >= JUMP_DEPTH {
                        return Err(InterpretError::TooDeep {
                            chain: target.clone(),
                        });
                    }
                    callers.push((chain, next));
                    (chain, next) = (self.chain(target, chain.name, index)?, 0);
                    entered = entered.saturating_add(1);
                }
                // Nothing is kept of this chain: the target ends where this one would have.
                Verdict::Goto(target) => {
                    (chain, next) = (self.chain(target, chain.name, index)?, 0);
                    entered = entered.saturating_add(1);
                }
                Verdict::Continue | Verdict::Break => {}
                Verdict::Other(code) => {
                    return Err(InterpretError::Unsupported {
                        chain: chain.name.to_owned(),
                        rule: index,
                        expression: "verdict".to_owned(),
                        reason: format!(
                            "what verdict {code} leads to is decided outside the table"
                        ),
                    });
                }
            }
            if entered > CHAINS_ENTERED {
                return Err(InterpretError::Endless {
                    chain: chain.name.to_owned(),
                });
            }
        }
    }

    fn rule(
        &mut self,
        chain: &ChainIndex<'a>,
        index: usize,
        rule: &RuleIndex<'a>,
    ) -> Result<RuleEnd<'a>, InterpretError> {
        for (number, expression) in rule.rule.expressions.iter().enumerate() {
            let flow = evaluate(self.table, &mut self.state, expression);
            match flow.map_err(|trouble| error(chain, index, expression.name(), trouble))? {
                Flow::Next => {}
                Flow::Break => return Ok(RuleEnd::NoMatch(number)),
                Flow::Verdict(verdict) => return Ok(RuleEnd::Verdict(verdict)),
                Flow::Reject(reject) => return Ok(RuleEnd::Reject(reject)),
            }
        }
        Ok(RuleEnd::NoVerdict)
    }

    fn policy(&mut self, base: &BaseChain<'a>) -> End {
        if self.state.options.steps {
            self.steps.push(TraceStep {
                chain: base.name.to_owned(),
                rule: None,
                hits: Vec::new(),
                what: StepResult::Policy(base.policy),
            });
        }
        End {
            verdict: match base.policy {
                Policy::Accept => FinalVerdict::Accept,
                Policy::Drop => FinalVerdict::Drop,
            },
            decision: Decision {
                chain: base.name.to_owned(),
                rule: None,
                hits: Vec::new(),
            },
        }
    }

    fn chain(
        &self,
        name: &str,
        from: &str,
        rule: usize,
    ) -> Result<&'t ChainIndex<'a>, InterpretError> {
        self.table
            .chain(name)
            .ok_or_else(|| InterpretError::Missing {
                chain: from.to_owned(),
                rule,
                kind: "chain",
                name: name.to_owned(),
            })
    }
}

fn step(chain: &ChainIndex<'_>, place: RulePlace, hits: &[SetHit], end: &RuleEnd<'_>) -> TraceStep {
    TraceStep {
        chain: chain.name.to_owned(),
        rule: Some(place),
        hits: hits.to_vec(),
        what: match end {
            RuleEnd::NoMatch(expression) => StepResult::NoMatch {
                expression: *expression,
            },
            RuleEnd::NoVerdict => StepResult::NoVerdict,
            RuleEnd::Verdict(verdict) => StepResult::Verdict((*verdict).clone()),
            RuleEnd::Reject(reject) => StepResult::Reject(*reject),
        },
    }
}

fn error(
    chain: &ChainIndex<'_>,
    rule: usize,
    expression: &str,
    trouble: Trouble,
) -> InterpretError {
    let chain = chain.name.to_owned();
    match trouble {
        Trouble::Unsupported(reason) => InterpretError::Unsupported {
            chain,
            rule,
            expression: expression.to_owned(),
            reason,
        },
        Trouble::Missing { kind, name } => InterpretError::Missing {
            chain,
            rule,
            kind,
            name,
        },
    }
}

//! What one port makes of a frame, in words and as JSON. Knows how a trace looks; verdicts come
//! from the evaluator and from the kernel's table.

use policy::Evaluation;
use policy::program::Direction;
use serde_json::{Value, json};

use crate::output::{Style, paint};

/// What one port makes of the frame.
pub(crate) struct Part {
    pub port: String,
    pub direction: Direction,
    pub evaluation: Evaluation,
    /// What the installed ruleset does, where it was asked: whether the frame passes, and why.
    pub live: Option<Result<(bool, String), String>>,
}

impl Part {
    pub(crate) fn disagrees(&self) -> bool {
        match &self.live {
            Some(Ok((passes, _))) => *passes != self.evaluation.passes(),
            Some(Err(_)) => true,
            None => false,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let evaluation = &self.evaluation;
        let steps = evaluation.steps.iter().map(|step| {
            json!({
                "stage": step.stage,
                "text": step.text,
                "origin": step.origin.as_ref().map(ToString::to_string),
            })
        });
        let live = self.live.as_ref().map(|live| match live {
            Ok((passes, by)) => json!({ "passes": passes, "by": by, "agrees": !self.disagrees() }),
            Err(error) => json!({ "error": error, "agrees": false }),
        });
        json!({
            "port": self.port,
            "direction": word(self.direction),
            "verdict": evaluation.verdict.to_string(),
            "audited": evaluation.audited.map(|verdict| verdict.to_string()),
            "decider": evaluation.decider.to_string(),
            "steps": steps.collect::<Value>(),
            "live": live,
        })
    }

    pub(crate) fn text(&self) -> String {
        let evaluation = &self.evaluation;
        let way = match self.direction {
            Direction::Out => "sends it (out)",
            Direction::In => "is to get it (in)",
        };
        let mut text = format!("{} {way}\n", self.port);
        // The frame stands above already.
        let steps = evaluation.steps.iter();
        let last = evaluation.steps.len().saturating_sub(1);
        for (_, step) in steps
            .enumerate()
            .filter(|(at, step)| step.stage != "frame" || *at == last)
        {
            let origin = match &step.origin {
                Some(origin) => paint(Style::Faint, format!("   {origin}")),
                None => String::new(),
            };
            text.push_str(&format!("  {:<11} {}{origin}\n", step.stage, step.text));
        }
        let style = if evaluation.passes() {
            Style::Good
        } else {
            Style::Bad
        };
        let verdict = paint(style, format!("→ {}", evaluation.verdict));
        text.push_str(&format!("  {verdict} by {}", evaluation.decider));
        if let Some(audited) = evaluation.audited {
            text.push_str(&format!(" (audit: without it, {audited})"));
        }
        text.push('\n');
        match &self.live {
            Some(Ok((_, by))) if !self.disagrees() => {
                text.push_str(&format!(
                    "  {} {by}\n",
                    paint(Style::Good, "kernel agrees:")
                ));
            }
            Some(Ok((_, by))) => {
                text.push_str(&format!(
                    "  {} {by}\n",
                    paint(Style::Bad, "kernel differs:")
                ));
            }
            Some(Err(error)) => {
                text.push_str(&format!(
                    "  {} {error}\n",
                    paint(Style::Bad, "kernel cannot be asked:")
                ));
            }
            None => {}
        }
        text
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

//! Documents as text that can be taken apart: what a random declaration consists of, and smaller ones made of it.

use policy::Catalog;
use policy::language::{Source, load};

/// Documents in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub documents: Vec<Document>,
}

/// One document: what stands before its lists of rules, and these.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub head: String,
    /// Key (`rules`, `mandatory`) and the rule lines.
    pub lists: Vec<(&'static str, Vec<String>)>,
}

impl Draft {
    pub(crate) fn add(&mut self, head: impl Into<String>, lists: Vec<(&'static str, Vec<String>)>) {
        let head = head.into();
        self.documents.push(Document { head, lists });
    }

    /// As a person would write it.
    pub(crate) fn yaml(&self) -> String {
        let mut text = String::new();
        for document in &self.documents {
            text.push_str("---\n");
            text.push_str(document.head.trim_end());
            text.push('\n');
            for (key, rules) in document.lists.iter().filter(|(_, rules)| !rules.is_empty()) {
                text.push_str(&format!("{key}:\n"));
                for rule in rules {
                    text.push_str(&format!("  - '{rule}'\n"));
                }
            }
        }
        text
    }

    /// The declaration, or why the language refuses it.
    pub(crate) fn catalog(&self) -> Result<Catalog, String> {
        load(&[Source::new("random.yaml", self.yaml())]).map_err(|errors| errors.render(false, 100))
    }

    /// The smallest part of it of which `fails` is still true: without whole documents, without single rules and
    /// without single lines, as long as something can be left out.
    pub(crate) fn shrunk(&self, mut fails: impl FnMut(&Self) -> bool) -> Self {
        let mut smallest = self.clone();
        loop {
            let smaller = smallest
                .smaller()
                .into_iter()
                .find(|smaller| smaller.catalog().is_ok() && fails(smaller));
            match smaller {
                Some(smaller) => smallest = smaller,
                None => return smallest,
            }
        }
    }

    fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for (number, document) in self.documents.iter().enumerate() {
            let mut without = self.clone();
            without.documents.remove(number);
            all.push(without);
            for (list, (_, rules)) in document.lists.iter().enumerate() {
                for rule in 0..rules.len() {
                    let mut without = self.clone();
                    without.documents[number].lists[list].1.remove(rule);
                    all.push(without);
                }
            }
            let lines: Vec<&str> = document.head.lines().collect();
            for line in 0..lines.len() {
                let mut without = self.clone();
                let mut lines = lines.clone();
                lines.remove(line);
                without.documents[number].head = lines.join("\n");
                all.push(without);
            }
        }
        all
    }
}

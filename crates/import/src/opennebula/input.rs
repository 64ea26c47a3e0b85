//! What OpenNebula says of a VM or a network: base64 of XML → fields. Knows the wrappers and where
//! what stands; what a field means is left to others.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};

use super::{OpenNebulaError, base64};

/// The children of one element, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    fn of(element: Node<'_, '_>) -> Self {
        let mut fields = BTreeMap::new();
        for child in element.children().filter(Node::is_element) {
            let name = child.tag_name().name().to_owned();
            fields.entry(name).or_insert_with(|| text(child));
        }
        Self(fields)
    }

    /// OpenNebula writes what is not set as an empty element as often as not at all.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn is_yes(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }
}

/// A VM, as far as a network driver cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Vm {
    pub(super) id: u32,
    pub(super) nics: Vec<Fields>,
    pub(super) aliases: Vec<Fields>,
    /// Passed-through devices; those with a network have a VN_MAD.
    pub(super) devices: Vec<Fields>,
    pub(super) rules: Vec<Fields>,
}

/// Reads the `<VM>` that actions on a host get, reduced or in full.
///
/// The reduced one puts each NIC, and each rule, into a `<TEMPLATE>` of its own beside the others:
/// all of them count.
///
/// # Errors
/// Where it is no VM.
pub(super) fn vm(input: &str) -> Result<Vm, OpenNebulaError> {
    let text = decoded(input)?;
    let document = parse(&text)?;
    let root = rooted(&document, "VM")?;
    let mut vm = Vm {
        id: id(root)?,
        ..Vm::default()
    };
    for template in elements(root, "TEMPLATE") {
        for child in template.children().filter(Node::is_element) {
            let list = match child.tag_name().name() {
                "NIC" => &mut vm.nics,
                "NIC_ALIAS" => &mut vm.aliases,
                "PCI" => &mut vm.devices,
                "SECURITY_GROUP_RULE" => &mut vm.rules,
                _ => continue,
            };
            list.push(Fields::of(child));
        }
    }
    Ok(vm)
}

/// A virtual network: its id, and its attributes from the element itself and its template.
///
/// # Errors
/// Where it is no network.
pub(super) fn network(input: &str) -> Result<(u32, Fields), OpenNebulaError> {
    let text = decoded(input)?;
    let document = parse(&text)?;
    let root = rooted(&document, "VNET")?;
    let id = id(root)?;
    let Fields(mut fields) = Fields::of(root);
    for template in elements(root, "TEMPLATE") {
        // What oned decided stands in the element itself, what the user asked for in the template.
        for (name, value) in Fields::of(template).0 {
            let entry = fields.entry(name).or_default();
            if entry.trim().is_empty() {
                *entry = value;
            }
        }
    }
    Ok((id, Fields(fields)))
}

fn decoded(input: &str) -> Result<String, OpenNebulaError> {
    if input.trim().is_empty() {
        return Err(OpenNebulaError::NoInput);
    }
    let bytes = base64::decode(input).map_err(|at| OpenNebulaError::Base64 { at })?;
    String::from_utf8(bytes).map_err(|error| OpenNebulaError::Text {
        at: error.utf8_error().valid_up_to(),
    })
}

fn parse(text: &str) -> Result<Document<'_>, OpenNebulaError> {
    let options = ParsingOptions {
        // A VM with 500 NICs of 40 fields has a tenth of this.
        nodes_limit: 1 << 20,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(OpenNebulaError::Xml)
}

fn rooted<'a, 'b>(
    document: &'a Document<'b>,
    expected: &'static str,
) -> Result<Node<'a, 'b>, OpenNebulaError> {
    let root = document.root_element();
    match root.tag_name().name() == expected {
        true => Ok(root),
        false => Err(OpenNebulaError::Root {
            found: root.tag_name().name().to_owned(),
            expected,
        }),
    }
}

fn id(root: Node<'_, '_>) -> Result<u32, OpenNebulaError> {
    let found = elements(root, "ID").next().map(text).unwrap_or_default();
    let found = found.trim();
    found.parse().map_err(|_| OpenNebulaError::Id {
        element: root.tag_name().name().to_owned(),
        found: found.to_owned(),
    })
}

fn elements<'a, 'b>(of: Node<'a, 'b>, name: &'static str) -> impl Iterator<Item = Node<'a, 'b>> {
    of.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// Values come bare, as CDATA, or in pieces of both.
fn text(element: Node<'_, '_>) -> String {
    element
        .children()
        .filter(Node::is_text)
        .filter_map(|text| text.text())
        .collect()
}

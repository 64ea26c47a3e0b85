//! The procedures that moat calls: arguments to bytes, bytes to replies. Knows their form; sending
//! them and waiting are left to the machine and the connection.

use crate::Uuid;
use crate::protocol as number;
use crate::value::{DomainRef, FilterBindingRef, FilterRef, NetworkPortRef, NetworkRef};
use crate::xdr::{Decoder, Encoder, MOST_LIST_ITEMS, XdrError};

/// A procedure with its arguments.
pub trait Call {
    type Reply;
    /// libvirt's number of it.
    const PROCEDURE: u32;
    /// Writes the arguments.
    fn encode(&self, encoder: &mut Encoder);
    /// Reads the reply.
    ///
    /// # Errors
    /// Bytes that are not such a reply.
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self::Reply, XdrError>;
}

/// Which domains a list has.
const DOMAINS_ACTIVE: u32 = 1;
/// Which networks a list has.
const NETWORKS_ACTIVE: u32 = 2;
/// The metadata element of a namespace, not title or description.
const METADATA_ELEMENT: i32 = 2;
/// The domain as it runs, not as it starts the next time.
const AFFECT_LIVE: u32 = 1;
/// The network event that there is.
const NETWORK_LIFECYCLE: i32 = 0;

/// A kind of event that domains have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DomainEventKind {
    Lifecycle,
    DeviceRemoved,
    DeviceAdded,
    MigrationIteration,
    MetadataChange,
}

impl DomainEventKind {
    /// Those that say something of ports.
    pub const OF_PORTS: &[Self] = &[
        Self::Lifecycle,
        Self::DeviceRemoved,
        Self::DeviceAdded,
        Self::MetadataChange,
    ];

    fn number(self) -> i32 {
        match self {
            Self::Lifecycle => 0,
            Self::DeviceRemoved => 15,
            Self::DeviceAdded => 19,
            Self::MigrationIteration => 20,
            Self::MetadataChange => 23,
        }
    }
}

/// A list, and behind it the number of its items.
fn listed<T>(
    decoder: &mut Decoder<'_>,
    read: impl FnMut(&mut Decoder<'_>) -> Result<T, XdrError>,
) -> Result<Vec<T>, XdrError> {
    let items = decoder.list(MOST_LIST_ITEMS, read)?;
    decoder.unsigned()?;
    Ok(items)
}

/// How the daemon wants the client to prove who it is; nothing else is answered before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthList;

impl Call for AuthList {
    type Reply = Vec<i32>;
    const PROCEDURE: u32 = number::AUTH_LIST;

    fn encode(&self, _: &mut Encoder) {}

    fn decode(decoder: &mut Decoder<'_>) -> Result<Vec<i32>, XdrError> {
        decoder.list(20, Decoder::signed)
    }
}

/// Opens the driver of a URI, read-only where nothing is to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub uri: String,
    pub read_only: bool,
}

impl Call for Open {
    type Reply = ();
    const PROCEDURE: u32 = number::CONNECT_OPEN;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.optional(Some(&self.uri), |encoder, uri| {
            encoder.string(uri);
        });
        encoder.unsigned(u32::from(self.read_only));
    }

    fn decode(_: &mut Decoder<'_>) -> Result<(), XdrError> {
        Ok(())
    }
}

/// Says goodbye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close;

impl Call for Close {
    type Reply = ();
    const PROCEDURE: u32 = number::CONNECT_CLOSE;

    fn encode(&self, _: &mut Encoder) {}

    fn decode(_: &mut Decoder<'_>) -> Result<(), XdrError> {
        Ok(())
    }
}

/// Whether the daemon has a feature, by libvirt's number of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportsFeature {
    pub feature: i32,
}

impl Call for SupportsFeature {
    type Reply = bool;
    const PROCEDURE: u32 = number::CONNECT_SUPPORTS_FEATURE;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(self.feature);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<bool, XdrError> {
        Ok(decoder.signed()? != 0)
    }
}

/// The URI that was opened, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetUri;

impl Call for GetUri {
    type Reply = String;
    const PROCEDURE: u32 = number::CONNECT_GET_URI;

    fn encode(&self, _: &mut Encoder) {}

    fn decode(decoder: &mut Decoder<'_>) -> Result<String, XdrError> {
        decoder.string()
    }
}

/// The daemon's version: major × 1,000,000 + minor × 1,000 + release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetLibraryVersion;

impl Call for GetLibraryVersion {
    type Reply = u64;
    const PROCEDURE: u32 = number::CONNECT_GET_LIB_VERSION;

    fn encode(&self, _: &mut Encoder) {}

    fn decode(decoder: &mut Decoder<'_>) -> Result<u64, XdrError> {
        decoder.hyper()
    }
}

/// All domains, or those that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDomains {
    pub running_only: bool,
}

impl Call for ListDomains {
    type Reply = Vec<DomainRef>;
    const PROCEDURE: u32 = number::CONNECT_LIST_ALL_DOMAINS;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(1);
        encoder.unsigned(if self.running_only { DOMAINS_ACTIVE } else { 0 });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Vec<DomainRef>, XdrError> {
        listed(decoder, DomainRef::decode)
    }
}

/// The domain of this number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupDomainById {
    pub id: i32,
}

impl Call for LookupDomainById {
    type Reply = DomainRef;
    const PROCEDURE: u32 = number::DOMAIN_LOOKUP_BY_ID;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(self.id);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<DomainRef, XdrError> {
        DomainRef::decode(decoder)
    }
}

/// The domain of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupDomainByName {
    pub name: String,
}

impl Call for LookupDomainByName {
    type Reply = DomainRef;
    const PROCEDURE: u32 = number::DOMAIN_LOOKUP_BY_NAME;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.string(&self.name);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<DomainRef, XdrError> {
        DomainRef::decode(decoder)
    }
}

/// The domain of this id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupDomainByUuid {
    pub uuid: Uuid,
}

impl Call for LookupDomainByUuid {
    type Reply = DomainRef;
    const PROCEDURE: u32 = number::DOMAIN_LOOKUP_BY_UUID;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.uuid(self.uuid);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<DomainRef, XdrError> {
        DomainRef::decode(decoder)
    }
}

/// The domain as it runs, or as it is defined where it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetDomainXml {
    pub domain: DomainRef,
}

impl Call for GetDomainXml {
    type Reply = String;
    const PROCEDURE: u32 = number::DOMAIN_GET_XML_DESC;

    fn encode(&self, encoder: &mut Encoder) {
        self.domain.encode(encoder);
        encoder.unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<String, XdrError> {
        decoder.string()
    }
}

/// The element of a namespace in the domain's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetDomainMetadata {
    pub domain: DomainRef,
    pub namespace: String,
}

impl Call for GetDomainMetadata {
    type Reply = String;
    const PROCEDURE: u32 = number::DOMAIN_GET_METADATA;

    fn encode(&self, encoder: &mut Encoder) {
        self.domain.encode(encoder);
        encoder.signed(METADATA_ELEMENT);
        encoder.optional(Some(&self.namespace), |encoder, namespace| {
            encoder.string(namespace);
        });
        encoder.unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<String, XdrError> {
        decoder.string()
    }
}

/// Puts an element in the place of the namespace's in the metadata of the domain as it runs, which
/// travels with it and ends with this life of it.
///
/// While the domain migrates or is saved, libvirt holds the call back until that is over, or until
/// 30 s have gone and it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetDomainMetadata {
    pub domain: DomainRef,
    pub namespace: String,
    /// The prefix of the namespace in libvirt's XML.
    pub prefix: String,
    /// Without namespace: libvirt adds it to every element. `None`: there is to be none.
    pub element: Option<String>,
}

impl Call for SetDomainMetadata {
    type Reply = ();
    const PROCEDURE: u32 = number::DOMAIN_SET_METADATA;

    fn encode(&self, encoder: &mut Encoder) {
        self.domain.encode(encoder);
        encoder.signed(METADATA_ELEMENT);
        let texts = [
            self.element.as_ref(),
            Some(&self.prefix),
            Some(&self.namespace),
        ];
        for text in texts {
            encoder.optional(text, |encoder, text| {
                encoder.string(text);
            });
        }
        encoder.unsigned(AFFECT_LIVE);
    }

    fn decode(_: &mut Decoder<'_>) -> Result<(), XdrError> {
        Ok(())
    }
}

/// Whether something that takes long is done to a domain (migrating, saving), during which libvirt
/// holds back whoever wants to change it. On the target of a migration libvirt refuses to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsDomainBusy {
    pub domain: DomainRef,
}

impl Call for IsDomainBusy {
    type Reply = bool;
    const PROCEDURE: u32 = number::DOMAIN_GET_JOB_INFO;

    fn encode(&self, encoder: &mut Encoder) {
        self.domain.encode(encoder);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<bool, XdrError> {
        // No job, one of known or of unknown length; all else is one that has ended.
        let busy = matches!(decoder.signed()?, 1 | 2);
        // Two times, and three numbers each for data, memory and files.
        for _ in 0..11 {
            decoder.hyper()?;
        }
        Ok(busy)
    }
}

/// All networks, or those that are started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNetworks {
    pub active_only: bool,
}

impl Call for ListNetworks {
    type Reply = Vec<NetworkRef>;
    const PROCEDURE: u32 = number::CONNECT_LIST_ALL_NETWORKS;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(1);
        encoder.unsigned(if self.active_only { NETWORKS_ACTIVE } else { 0 });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Vec<NetworkRef>, XdrError> {
        listed(decoder, NetworkRef::decode)
    }
}

/// The network of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupNetworkByName {
    pub name: String,
}

impl Call for LookupNetworkByName {
    type Reply = NetworkRef;
    const PROCEDURE: u32 = number::NETWORK_LOOKUP_BY_NAME;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.string(&self.name);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<NetworkRef, XdrError> {
        NetworkRef::decode(decoder)
    }
}

/// The network of this id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupNetworkByUuid {
    pub uuid: Uuid,
}

impl Call for LookupNetworkByUuid {
    type Reply = NetworkRef;
    const PROCEDURE: u32 = number::NETWORK_LOOKUP_BY_UUID;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.uuid(self.uuid);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<NetworkRef, XdrError> {
        NetworkRef::decode(decoder)
    }
}

/// The network as it runs, or as it is defined where it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetNetworkXml {
    pub network: NetworkRef,
}

impl Call for GetNetworkXml {
    type Reply = String;
    const PROCEDURE: u32 = number::NETWORK_GET_XML_DESC;

    fn encode(&self, encoder: &mut Encoder) {
        self.network.encode(encoder);
        encoder.unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<String, XdrError> {
        decoder.string()
    }
}

/// The ports of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNetworkPorts {
    pub network: NetworkRef,
}

impl Call for ListNetworkPorts {
    type Reply = Vec<NetworkPortRef>;
    const PROCEDURE: u32 = number::NETWORK_LIST_ALL_PORTS;

    fn encode(&self, encoder: &mut Encoder) {
        self.network.encode(encoder);
        encoder.signed(1);
        encoder.unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Vec<NetworkPortRef>, XdrError> {
        listed(decoder, NetworkPortRef::decode)
    }
}

/// A network's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetNetworkPortXml {
    pub port: NetworkPortRef,
}

impl Call for GetNetworkPortXml {
    type Reply = String;
    const PROCEDURE: u32 = number::NETWORK_PORT_GET_XML_DESC;

    fn encode(&self, encoder: &mut Encoder) {
        self.port.encode(encoder);
        encoder.unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<String, XdrError> {
        decoder.string()
    }
}

/// All filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFilters;

impl Call for ListFilters {
    type Reply = Vec<FilterRef>;
    const PROCEDURE: u32 = number::CONNECT_LIST_ALL_NWFILTERS;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(1).unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Vec<FilterRef>, XdrError> {
        listed(decoder, FilterRef::decode)
    }
}

/// The filter of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupFilterByName {
    pub name: String,
}

impl Call for LookupFilterByName {
    type Reply = FilterRef;
    const PROCEDURE: u32 = number::NWFILTER_LOOKUP_BY_NAME;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.string(&self.name);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<FilterRef, XdrError> {
        FilterRef::decode(decoder)
    }
}

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetFilterXml {
    pub filter: FilterRef,
}

impl Call for GetFilterXml {
    type Reply = String;
    const PROCEDURE: u32 = number::NWFILTER_GET_XML_DESC;

    fn encode(&self, encoder: &mut Encoder) {
        self.filter.encode(encoder);
        encoder.unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<String, XdrError> {
        decoder.string()
    }
}

/// All filters that are bound to interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFilterBindings;

impl Call for ListFilterBindings {
    type Reply = Vec<FilterBindingRef>;
    const PROCEDURE: u32 = number::CONNECT_LIST_ALL_NWFILTER_BINDINGS;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(1).unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Vec<FilterBindingRef>, XdrError> {
        listed(decoder, FilterBindingRef::decode)
    }
}

/// The filter that is bound to an interface of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupFilterBinding {
    pub device: String,
}

impl Call for LookupFilterBinding {
    type Reply = FilterBindingRef;
    const PROCEDURE: u32 = number::NWFILTER_BINDING_LOOKUP_BY_PORT_DEV;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.string(&self.device);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<FilterBindingRef, XdrError> {
        FilterBindingRef::decode(decoder)
    }
}

/// A binding, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetFilterBindingXml {
    pub binding: FilterBindingRef,
}

impl Call for GetFilterBindingXml {
    type Reply = String;
    const PROCEDURE: u32 = number::NWFILTER_BINDING_GET_XML_DESC;

    fn encode(&self, encoder: &mut Encoder) {
        self.binding.encode(encoder);
        encoder.unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<String, XdrError> {
        decoder.string()
    }
}

/// Binds a filter to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateFilterBinding {
    pub xml: String,
}

impl Call for CreateFilterBinding {
    type Reply = FilterBindingRef;
    const PROCEDURE: u32 = number::NWFILTER_BINDING_CREATE_XML;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.string(&self.xml).unsigned(0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<FilterBindingRef, XdrError> {
        FilterBindingRef::decode(decoder)
    }
}

/// Frees an interface of its filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteFilterBinding {
    pub binding: FilterBindingRef,
}

impl Call for DeleteFilterBinding {
    type Reply = ();
    const PROCEDURE: u32 = number::NWFILTER_BINDING_DELETE;

    fn encode(&self, encoder: &mut Encoder) {
        self.binding.encode(encoder);
    }

    fn decode(_: &mut Decoder<'_>) -> Result<(), XdrError> {
        Ok(())
    }
}

/// Asks for a kind of event of all domains; the reply is the registration's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterDomainEvent {
    pub kind: DomainEventKind,
}

impl Call for RegisterDomainEvent {
    type Reply = i32;
    const PROCEDURE: u32 = number::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(self.kind.number());
        encoder.optional(None::<()>, |_, ()| {});
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<i32, XdrError> {
        decoder.signed()
    }
}

/// Ends a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeregisterDomainEvent {
    pub registration: i32,
}

impl Call for DeregisterDomainEvent {
    type Reply = ();
    const PROCEDURE: u32 = number::CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(self.registration);
    }

    fn decode(_: &mut Decoder<'_>) -> Result<(), XdrError> {
        Ok(())
    }
}

/// Asks for the lifecycle of all networks; the reply is the registration's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterNetworkEvent;

impl Call for RegisterNetworkEvent {
    type Reply = i32;
    const PROCEDURE: u32 = number::CONNECT_NETWORK_EVENT_REGISTER_ANY;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(NETWORK_LIFECYCLE);
        encoder.optional(None::<()>, |_, ()| {});
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<i32, XdrError> {
        decoder.signed()
    }
}

/// Ends a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeregisterNetworkEvent {
    pub registration: i32,
}

impl Call for DeregisterNetworkEvent {
    type Reply = ();
    const PROCEDURE: u32 = number::CONNECT_NETWORK_EVENT_DEREGISTER_ANY;

    fn encode(&self, encoder: &mut Encoder) {
        encoder.signed(self.registration);
    }

    fn decode(_: &mut Decoder<'_>) -> Result<(), XdrError> {
        Ok(())
    }
}

/// Asks to be told when the daemon's own connection to its driver ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterCloseEvent;

impl Call for RegisterCloseEvent {
    type Reply = ();
    const PROCEDURE: u32 = number::CONNECT_REGISTER_CLOSE_CALLBACK;

    fn encode(&self, _: &mut Encoder) {}

    fn decode(_: &mut Decoder<'_>) -> Result<(), XdrError> {
        Ok(())
    }
}

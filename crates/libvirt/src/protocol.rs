//! The protocol's numbers. Knows those of libvirt's `remote` and `keepalive` programs that moat
//! uses; they never change once released.

/// Every call of libvirt's API.
pub(crate) const REMOTE_PROGRAM: u32 = 0x2000_8086;
/// `keep`: whether the other side is still there.
pub(crate) const KEEPALIVE_PROGRAM: u32 = 0x6b65_6570;
/// Of both programs.
pub(crate) const VERSION: u32 = 1;

/// The longest message that libvirt sends or takes, with its length word, in bytes.
pub const MOST_MESSAGE_BYTES: usize = 32 << 20;

pub(crate) const KEEPALIVE_PING: u32 = 1;
pub(crate) const KEEPALIVE_PONG: u32 = 2;

/// `virConnectSupportsFeature` of the daemon: it answers keepalive pings.
pub(crate) const FEATURE_KEEPALIVE: i32 = 10;

macro_rules! numbers {
    ($($name:ident = $number:literal,)*) => {
        $(pub(crate) const $name: u32 = $number;)*
    };
}

numbers! {
    CONNECT_OPEN = 1,
    CONNECT_CLOSE = 2,
    DOMAIN_GET_XML_DESC = 14,
    DOMAIN_LOOKUP_BY_ID = 22,
    DOMAIN_LOOKUP_BY_NAME = 23,
    DOMAIN_LOOKUP_BY_UUID = 24,
    NETWORK_GET_XML_DESC = 43,
    NETWORK_LOOKUP_BY_NAME = 46,
    NETWORK_LOOKUP_BY_UUID = 47,
    CONNECT_SUPPORTS_FEATURE = 60,
    AUTH_LIST = 66,
    CONNECT_GET_URI = 110,
    CONNECT_GET_LIB_VERSION = 157,
    DOMAIN_GET_JOB_INFO = 163,
    NWFILTER_LOOKUP_BY_NAME = 175,
    NWFILTER_GET_XML_DESC = 177,
    DOMAIN_SET_METADATA = 264,
    DOMAIN_GET_METADATA = 265,
    CONNECT_LIST_ALL_DOMAINS = 273,
    CONNECT_LIST_ALL_NETWORKS = 283,
    CONNECT_LIST_ALL_NWFILTERS = 286,
    CONNECT_NETWORK_EVENT_REGISTER_ANY = 313,
    CONNECT_NETWORK_EVENT_DEREGISTER_ANY = 314,
    NETWORK_EVENT_LIFECYCLE = 315,
    CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY = 316,
    CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY = 317,
    DOMAIN_EVENT_CALLBACK_LIFECYCLE = 318,
    DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED = 333,
    DOMAIN_EVENT_CALLBACK_DEVICE_ADDED = 354,
    DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION = 359,
    CONNECT_REGISTER_CLOSE_CALLBACK = 360,
    CONNECT_EVENT_CONNECTION_CLOSED = 362,
    DOMAIN_EVENT_CALLBACK_METADATA_CHANGE = 379,
    NWFILTER_BINDING_LOOKUP_BY_PORT_DEV = 397,
    NWFILTER_BINDING_GET_XML_DESC = 398,
    NWFILTER_BINDING_CREATE_XML = 399,
    NWFILTER_BINDING_DELETE = 400,
    CONNECT_LIST_ALL_NWFILTER_BINDINGS = 401,
    NETWORK_LIST_ALL_PORTS = 404,
    NETWORK_PORT_GET_XML_DESC = 409,
}

/// libvirt's number for a kind of error. Those that moat tells apart have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i32);

impl ErrorCode {
    /// The daemon does not know the call: it is older than it.
    pub const NO_SUPPORT: Self = Self(3);
    pub const RPC: Self = Self(39);
    pub const NO_DOMAIN: Self = Self(42);
    pub const NO_NETWORK: Self = Self(43);
    /// No rights on the socket.
    pub const AUTH_FAILED: Self = Self(45);
    pub const OPERATION_INVALID: Self = Self(55);
    pub const NO_NWFILTER: Self = Self(62);
    pub const NO_DOMAIN_METADATA: Self = Self(80);
    pub const NO_NWFILTER_BINDING: Self = Self(101);
    pub const NO_NETWORK_PORT: Self = Self(107);
}

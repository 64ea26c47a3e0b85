//! Written from `schema.json` by `MOAT_UPDATE_TABLES=1 cargo test -p ovsdb --test tables`; not by hand.

use std::collections::{BTreeMap, BTreeSet};

use crate::typed::tables;
use crate::uuid::Uuid;

tables! {
    /// The one row at the root: what this switch is, and its bridges.
    OpenVSwitch = "Open_vSwitch" {
        bridges BRIDGES "bridges": BTreeSet<Uuid>,
        cur_cfg CUR_CFG "cur_cfg": i64,
        datapath_types DATAPATH_TYPES "datapath_types": BTreeSet<String>,
        datapaths DATAPATHS "datapaths": BTreeMap<String, Uuid>,
        db_version DB_VERSION "db_version": Option<String>,
        dpdk_initialized DPDK_INITIALIZED "dpdk_initialized": bool,
        dpdk_version DPDK_VERSION "dpdk_version": Option<String>,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        iface_types IFACE_TYPES "iface_types": BTreeSet<String>,
        manager_options MANAGER_OPTIONS "manager_options": BTreeSet<Uuid>,
        next_cfg NEXT_CFG "next_cfg": i64,
        other_config OTHER_CONFIG "other_config": BTreeMap<String, String>,
        ovs_version OVS_VERSION "ovs_version": Option<String>,
        ssl SSL "ssl": Option<Uuid>,
        statistics STATISTICS "statistics": BTreeMap<String, String>,
        system_type SYSTEM_TYPE "system_type": Option<String>,
        system_version SYSTEM_VERSION "system_version": Option<String>,
    }

    /// A virtual switch.
    Bridge = "Bridge" {
        auto_attach AUTO_ATTACH "auto_attach": Option<Uuid>,
        controller CONTROLLER "controller": BTreeSet<Uuid>,
        datapath_id DATAPATH_ID "datapath_id": Option<String>,
        datapath_type DATAPATH_TYPE "datapath_type": String,
        datapath_version DATAPATH_VERSION "datapath_version": String,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        fail_mode FAIL_MODE "fail_mode": Option<String>,
        flood_vlans FLOOD_VLANS "flood_vlans": BTreeSet<i64>,
        flow_tables FLOW_TABLES "flow_tables": BTreeMap<i64, Uuid>,
        ipfix IPFIX "ipfix": Option<Uuid>,
        mcast_snooping_enable MCAST_SNOOPING_ENABLE "mcast_snooping_enable": bool,
        mirrors MIRRORS "mirrors": BTreeSet<Uuid>,
        name NAME "name": String,
        netflow NETFLOW "netflow": Option<Uuid>,
        other_config OTHER_CONFIG "other_config": BTreeMap<String, String>,
        ports PORTS "ports": BTreeSet<Uuid>,
        protocols PROTOCOLS "protocols": BTreeSet<String>,
        rstp_enable RSTP_ENABLE "rstp_enable": bool,
        rstp_status RSTP_STATUS "rstp_status": BTreeMap<String, String>,
        sflow SFLOW "sflow": Option<Uuid>,
        status STATUS "status": BTreeMap<String, String>,
        stp_enable STP_ENABLE "stp_enable": bool,
    }

    /// A port of a bridge: one interface, or several that are bonded.
    Port = "Port" {
        bond_active_slave BOND_ACTIVE_SLAVE "bond_active_slave": Option<String>,
        bond_downdelay BOND_DOWNDELAY "bond_downdelay": i64,
        bond_fake_iface BOND_FAKE_IFACE "bond_fake_iface": bool,
        bond_mode BOND_MODE "bond_mode": Option<String>,
        bond_updelay BOND_UPDELAY "bond_updelay": i64,
        cvlans CVLANS "cvlans": BTreeSet<i64>,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        fake_bridge FAKE_BRIDGE "fake_bridge": bool,
        interfaces INTERFACES "interfaces": BTreeSet<Uuid>,
        lacp LACP "lacp": Option<String>,
        mac MAC "mac": Option<String>,
        name NAME "name": String,
        other_config OTHER_CONFIG "other_config": BTreeMap<String, String>,
        protected PROTECTED "protected": bool,
        qos QOS "qos": Option<Uuid>,
        rstp_statistics RSTP_STATISTICS "rstp_statistics": BTreeMap<String, i64>,
        rstp_status RSTP_STATUS "rstp_status": BTreeMap<String, String>,
        statistics STATISTICS "statistics": BTreeMap<String, i64>,
        status STATUS "status": BTreeMap<String, String>,
        tag TAG "tag": Option<i64>,
        trunks TRUNKS "trunks": BTreeSet<i64>,
        vlan_mode VLAN_MODE "vlan_mode": Option<String>,
    }

    /// A network device in a port.
    Interface = "Interface" {
        admin_state ADMIN_STATE "admin_state": Option<String>,
        bfd BFD "bfd": BTreeMap<String, String>,
        bfd_status BFD_STATUS "bfd_status": BTreeMap<String, String>,
        cfm_fault CFM_FAULT "cfm_fault": Option<bool>,
        cfm_fault_status CFM_FAULT_STATUS "cfm_fault_status": BTreeSet<String>,
        cfm_flap_count CFM_FLAP_COUNT "cfm_flap_count": Option<i64>,
        cfm_health CFM_HEALTH "cfm_health": Option<i64>,
        cfm_mpid CFM_MPID "cfm_mpid": Option<i64>,
        cfm_remote_mpids CFM_REMOTE_MPIDS "cfm_remote_mpids": BTreeSet<i64>,
        cfm_remote_opstate CFM_REMOTE_OPSTATE "cfm_remote_opstate": Option<String>,
        duplex DUPLEX "duplex": Option<String>,
        error ERROR "error": Option<String>,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        ifindex IFINDEX "ifindex": Option<i64>,
        ingress_policing_burst INGRESS_POLICING_BURST "ingress_policing_burst": i64,
        ingress_policing_kpkts_burst INGRESS_POLICING_KPKTS_BURST "ingress_policing_kpkts_burst": i64,
        ingress_policing_kpkts_rate INGRESS_POLICING_KPKTS_RATE "ingress_policing_kpkts_rate": i64,
        ingress_policing_rate INGRESS_POLICING_RATE "ingress_policing_rate": i64,
        lacp_current LACP_CURRENT "lacp_current": Option<bool>,
        link_resets LINK_RESETS "link_resets": Option<i64>,
        link_speed LINK_SPEED "link_speed": Option<i64>,
        link_state LINK_STATE "link_state": Option<String>,
        lldp LLDP "lldp": BTreeMap<String, String>,
        mac MAC "mac": Option<String>,
        mac_in_use MAC_IN_USE "mac_in_use": Option<String>,
        mtu MTU "mtu": Option<i64>,
        mtu_request MTU_REQUEST "mtu_request": Option<i64>,
        name NAME "name": String,
        ofport OFPORT "ofport": Option<i64>,
        ofport_request OFPORT_REQUEST "ofport_request": Option<i64>,
        options OPTIONS "options": BTreeMap<String, String>,
        other_config OTHER_CONFIG "other_config": BTreeMap<String, String>,
        statistics STATISTICS "statistics": BTreeMap<String, i64>,
        status STATUS "status": BTreeMap<String, String>,
        kind KIND "type": String,
    }

    /// Who may send OpenFlow to a bridge, or where a bridge listens for it.
    Controller = "Controller" {
        connection_mode CONNECTION_MODE "connection_mode": Option<String>,
        controller_burst_limit CONTROLLER_BURST_LIMIT "controller_burst_limit": Option<i64>,
        controller_queue_size CONTROLLER_QUEUE_SIZE "controller_queue_size": Option<i64>,
        controller_rate_limit CONTROLLER_RATE_LIMIT "controller_rate_limit": Option<i64>,
        enable_async_messages ENABLE_ASYNC_MESSAGES "enable_async_messages": Option<bool>,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        inactivity_probe INACTIVITY_PROBE "inactivity_probe": Option<i64>,
        is_connected IS_CONNECTED "is_connected": bool,
        local_gateway LOCAL_GATEWAY "local_gateway": Option<String>,
        local_ip LOCAL_IP "local_ip": Option<String>,
        local_netmask LOCAL_NETMASK "local_netmask": Option<String>,
        max_backoff MAX_BACKOFF "max_backoff": Option<i64>,
        other_config OTHER_CONFIG "other_config": BTreeMap<String, String>,
        role ROLE "role": Option<String>,
        status STATUS "status": BTreeMap<String, String>,
        target TARGET "target": String,
        kind KIND "type": Option<String>,
    }

    /// Who may speak OVSDB, or where the server listens for it.
    Manager = "Manager" {
        connection_mode CONNECTION_MODE "connection_mode": Option<String>,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        inactivity_probe INACTIVITY_PROBE "inactivity_probe": Option<i64>,
        is_connected IS_CONNECTED "is_connected": bool,
        max_backoff MAX_BACKOFF "max_backoff": Option<i64>,
        other_config OTHER_CONFIG "other_config": BTreeMap<String, String>,
        status STATUS "status": BTreeMap<String, String>,
        target TARGET "target": String,
    }

    /// Key, certificate and authorities for TLS.
    Ssl = "SSL" {
        bootstrap_ca_cert BOOTSTRAP_CA_CERT "bootstrap_ca_cert": bool,
        ca_cert CA_CERT "ca_cert": String,
        certificate CERTIFICATE "certificate": String,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        private_key PRIVATE_KEY "private_key": String,
    }

    /// How a port sends.
    Qos = "QoS" {
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        other_config OTHER_CONFIG "other_config": BTreeMap<String, String>,
        queues QUEUES "queues": BTreeMap<i64, Uuid>,
        kind KIND "type": String,
    }

    /// One queue of a port.
    Queue = "Queue" {
        dscp DSCP "dscp": Option<i64>,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        other_config OTHER_CONFIG "other_config": BTreeMap<String, String>,
    }

    /// Copies of frames.
    Mirror = "Mirror" {
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        name NAME "name": String,
        output_port OUTPUT_PORT "output_port": Option<Uuid>,
        output_vlan OUTPUT_VLAN "output_vlan": Option<i64>,
        select_all SELECT_ALL "select_all": bool,
        select_dst_port SELECT_DST_PORT "select_dst_port": BTreeSet<Uuid>,
        select_src_port SELECT_SRC_PORT "select_src_port": BTreeSet<Uuid>,
        select_vlan SELECT_VLAN "select_vlan": BTreeSet<i64>,
        snaplen SNAPLEN "snaplen": Option<i64>,
        statistics STATISTICS "statistics": BTreeMap<String, i64>,
    }

    /// Settings of one OpenFlow table.
    FlowTable = "Flow_Table" {
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        flow_limit FLOW_LIMIT "flow_limit": Option<i64>,
        groups GROUPS "groups": BTreeSet<String>,
        name NAME "name": Option<String>,
        overflow_policy OVERFLOW_POLICY "overflow_policy": Option<String>,
        prefixes PREFIXES "prefixes": BTreeSet<String>,
    }

    /// Where samples go.
    Ipfix = "IPFIX" {
        cache_active_timeout CACHE_ACTIVE_TIMEOUT "cache_active_timeout": Option<i64>,
        cache_max_flows CACHE_MAX_FLOWS "cache_max_flows": Option<i64>,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        obs_domain_id OBS_DOMAIN_ID "obs_domain_id": Option<i64>,
        obs_point_id OBS_POINT_ID "obs_point_id": Option<i64>,
        other_config OTHER_CONFIG "other_config": BTreeMap<String, String>,
        sampling SAMPLING "sampling": Option<i64>,
        targets TARGETS "targets": BTreeSet<String>,
    }

    /// Collectors that the sample action names.
    FlowSampleCollectorSet = "Flow_Sample_Collector_Set" {
        bridge BRIDGE "bridge": Uuid,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        id ID "id": i64,
        ipfix IPFIX "ipfix": Option<Uuid>,
    }

    /// What carries the frames of bridges of one type.
    Datapath = "Datapath" {
        capabilities CAPABILITIES "capabilities": BTreeMap<String, String>,
        ct_zones CT_ZONES "ct_zones": BTreeMap<i64, Uuid>,
        datapath_version DATAPATH_VERSION "datapath_version": String,
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
    }

    /// A zone of connection tracking.
    CtZone = "CT_Zone" {
        external_ids EXTERNAL_IDS "external_ids": BTreeMap<String, String>,
        timeout_policy TIMEOUT_POLICY "timeout_policy": Option<Uuid>,
    }
}

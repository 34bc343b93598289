/** The variables of a fwknopd.conf: which mean something here, and what becomes of the others. */
/** What fwknop 2.6.10 takes for variables that mean something here, when nothing is said. */
export const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  PCAP_FILTER: 'udp port 62201',
  UDPSERV_PORT: '62201',
  TCPSERV_PORT: '62201',
  ENABLE_SPA_PACKET_AGING: 'Y',
  MAX_SPA_PACKET_AGE: '120',
  ENABLE_DIGEST_PERSISTENCE: 'Y',
  ENABLE_NAT_DNS: 'Y',
  FWKNOP_RUN_DIR: '/run/fwknop',
  FWKNOP_CONF_DIR: '/etc/fwknop',
  GPG_HOME_DIR: '/root/.gnupg',
  GPG_EXE: '/usr/bin/gpg',
};

/** Variables that become something. */
export const MEANT: readonly string[] = [
  ...['PCAP_FILTER', 'ENABLE_UDP_SERVER', 'UDPSERV_PORT', 'ENABLE_TCP_SERVER', 'TCPSERV_PORT', 'ENABLE_SPA_OVER_HTTP'],
  ...['ALLOW_ANY_USER_AGENT', 'ENABLE_X_FORWARDED_FOR', 'ENABLE_SPA_PACKET_AGING', 'MAX_SPA_PACKET_AGE'],
  ...[
    'ENABLE_DIGEST_PERSISTENCE',
    'ENABLE_NAT_DNS',
    'ENABLE_IPT_FORWARDING',
    'ENABLE_IPT_LOCAL_NAT',
    'ENABLE_IPT_SNAT',
  ],
  ...['ENABLE_FIREWD_FORWARDING', 'ENABLE_FIREWD_LOCAL_NAT', 'ENABLE_FIREWD_SNAT', 'SNAT_TRANSLATE_IP'],
  ...['ENABLE_DESTINATION_RULE', 'FWKNOP_CONF_DIR', 'ACCESS_FILE', 'ACCESS_FOLDER', 'GPG_HOME_DIR', 'GPG_EXE'],
  ...['ENABLE_NFQ_CAPTURE', 'NFQ_PORT', 'ENABLE_PCAP_ANY_DIRECTION', 'FWKNOP_RUN_DIR'],
];

const CAPTURE = 'packets are heard on every interface, before the firewall of the host drops them';
const OWN_TABLE = 'grants are elements of a table of their own in nftables, not rules in chains of the host';
const LIVES_ON = 'what was granted ends on time in the kernel; the daemon may end and come back';
const KERNEL_TIME = 'the kernel takes away what ran out';
const JOURNAL = 'posternd writes its log to standard error, where the journal takes it';
const STATE = 'posternd keeps its state in the directory that `gate.state` names';
const NEVER = 'fwknopd does nothing with it either';
const BACKEND = 'nftables is the only firewall here';

const none = (text: string, ...names: readonly string[]): [string, string][] => names.map((name) => [name, text]);

/** Why every other variable has no meaning here. */
export const MEANINGLESS: Readonly<Record<string, string>> = Object.fromEntries([
  ...none(JOURNAL, 'VERBOSE', 'SYSLOG_IDENTITY', 'SYSLOG_FACILITY', 'LOCALE'),
  ...none(CAPTURE, 'PCAP_INTF', 'ENABLE_PCAP_PROMISC', 'EXIT_AT_INTF_DOWN', 'NFQ_INTERFACE', 'NFQ_TABLE', 'NFQ_CHAIN'),
  ...none(CAPTURE, 'NFQ_QUEUE_NUMBER', 'NFQ_LOOP_SLEEP'),
  ...none('the daemon sleeps until a packet comes', 'PCAP_DISPATCH_COUNT', 'PCAP_LOOP_SLEEP', 'UDPSERV_SELECT_TIMEOUT'),
  ...none('packets of 140 to 1500 bytes are read', 'MAX_SNIFF_BYTES'),
  ...none('`posternd replay FILE` reads a recording', 'PCAP_FILE'),
  ...none(STATE, 'DIGEST_DB_FILE', 'FWKNOP_PID_FILE'),
  ...none(`${STATE}; what fwknopd took a moment ago is refused by the time of that file`, 'DIGEST_FILE'),
  ...none('commands run without new privileges', 'SUDO_EXE'),
  ...none(KERNEL_TIME, 'RULES_CHECK_THRESHOLD', 'PF_EXPIRE_INTERVAL', 'IPFW_EXPIRE_PURGE_INTERVAL'),
  ...none('`time_limit` of a stanza is kept, where fwknopd keeps none', 'CMD_EXEC_TIMEOUT'),
  ...none(OWN_TABLE, 'ENABLE_RULE_PREPEND', 'ENABLE_IPT_OUTPUT', 'ENABLE_IPT_COMMENT_CHECK', 'IPT_INPUT_ACCESS'),
  ...none(OWN_TABLE, 'IPT_OUTPUT_ACCESS', 'IPT_FORWARD_ACCESS', 'IPT_DNAT_ACCESS', 'IPT_SNAT_ACCESS'),
  ...none(OWN_TABLE, 'IPT_MASQUERADE_ACCESS', 'ENABLE_FIREWD_OUTPUT', 'ENABLE_FIREWD_COMMENT_CHECK'),
  ...none(OWN_TABLE, 'FIREWD_INPUT_ACCESS', 'FIREWD_OUTPUT_ACCESS', 'FIREWD_FORWARD_ACCESS', 'FIREWD_DNAT_ACCESS'),
  ...none(OWN_TABLE, 'FIREWD_SNAT_ACCESS', 'FIREWD_MASQUERADE_ACCESS', 'FIREWALL_EXE'),
  ...none(LIVES_ON, 'FLUSH_IPT_AT_INIT', 'FLUSH_IPT_AT_EXIT', 'FLUSH_FIREWD_AT_INIT', 'FLUSH_FIREWD_AT_EXIT'),
  ...none(BACKEND, 'FLUSH_IPFW_AT_INIT', 'FLUSH_IPFW_AT_EXIT', 'IPFW_START_RULE_NUM', 'IPFW_MAX_RULES'),
  ...none(BACKEND, 'IPFW_ACTIVE_SET_NUM', 'IPFW_EXPIRE_SET_NUM', 'IPFW_ADD_CHECK_STATE', 'PF_ANCHOR_NAME'),
  ...none(NEVER, 'ENABLE_EXTERNAL_CMDS', 'EXTERNAL_CMD_OPEN', 'EXTERNAL_CMD_CLOSE', 'EXTERNAL_CMD_ALARM'),
  ...none(NEVER, 'ENABLE_EXT_CMD_PREFIX', 'EXT_CMD_PREFIX', 'BLACKLIST'),
  ...none(NEVER, 'CONFIG_FILE', 'OVERRIDE_CONFIG', 'FAULT_INJECTION_TAG', 'AFL_PKT_FILE'),
]);

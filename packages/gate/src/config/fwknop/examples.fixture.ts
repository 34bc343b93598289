/** Three configurations of fwknop as people have them, for tests: file by file, beside fwknopd.conf. */

const key = (text: string): string => Buffer.from(text.padEnd(32, '.')).toString('base64');
const hmacKey = (text: string): string => Buffer.from(text.padEnd(64, '-')).toString('base64');

/** A host with ssh and a web console, a person each. */
const TEAM = {
  'fwknopd.conf': `
# Two persons and a laptop on the move.
PCAP_INTF                   ens3;
PCAP_FILTER                 udp port 62201;
MAX_SPA_PACKET_AGE          60;
ENABLE_DIGEST_PERSISTENCE   Y;
FWKNOP_RUN_DIR              /run/fwknop;
FWKNOP_PID_FILE             $FWKNOP_RUN_DIR/fwknopd.pid;
SYSLOG_FACILITY             LOG_DAEMON;
`,
  'access.conf': `
# Ada, from the office and from home
SOURCE:                   198.51.100.0/24, 203.0.113.77;
OPEN_PORTS:               tcp/22, tcp/8443;
KEY_BASE64:               ${key('ada')};
HMAC_KEY_BASE64:          ${hmacKey('ada, too')};
REQUIRE_USERNAME:         ada;
REQUIRE_SOURCE_ADDRESS:   Y;
FW_ACCESS_TIMEOUT:        60;
MAX_FW_TIMEOUT:           600;

SOURCE                    ANY;   # from anywhere, but never the console
OPEN_PORTS                tcp/22;
RESTRICT_PORTS            tcp/8443;
KEY_BASE64                ${key('bob')};
HMAC_KEY_BASE64           ${hmacKey('bob, too')};
HMAC_DIGEST_TYPE          SHA512;
ENCRYPTION_MODE           CTR;
REQUIRE_USERNAME          bob;
REQUIRE_SOURCE_ADDRESS    Y;
ACCESS_EXPIRE             12/31/2037;

SOURCE                    10.20.0.0/255.255.0.0;
DESTINATION               10.20.0.1;
KEY                       say friend, and then enter
HMAC_KEY                  and another one
ACCESS_EXPIRE_EPOCH       1893456000;
%include_keys             laptop.keys
`,
  'laptop.keys': `HMAC_KEY_BASE64 ${hmacKey('laptop')};\n`,
};

/** A gateway: NAT onto hosts behind it. */
const GATEWAY = {
  'fwknopd.conf': `
PCAP_FILTER               udp dst portrange 20000-30000 or (icmp);
ENABLE_IPT_FORWARDING     Y;
ENABLE_IPT_LOCAL_NAT      Y;
ENABLE_IPT_SNAT           Y;
SNAT_TRANSLATE_IP         192.0.2.1;
ENABLE_NAT_DNS            N;
ENABLE_SPA_PACKET_AGING   N;
ACCESS_FOLDER             access.d;
`,
  'access.d/10-build.conf': `
SOURCE            ANY;
KEY_BASE64        ${key('build')};
HMAC_KEY_BASE64   ${hmacKey('build, too')};
FORCE_NAT         10.0.3.7 22;
FORCE_MASQUERADE  Y;
OPEN_PORTS        tcp/22;
`,
  'access.d/20-shop.conf': `
SOURCE            203.0.113.0/28;
KEY_BASE64        ${key('shop')};
HMAC_KEY_BASE64   ${hmacKey('shop, too')};
HMAC_DIGEST_TYPE  sha3_256;
ENCRYPTION_MODE   ofb;
FW_ACCESS_TIMEOUT 200000;
%include          ../shared/old.conf;
`,
  'access.d/README': 'no configuration',
  'shared/old.conf': `
OPEN_PORTS        tcp/1;
SOURCE            192.0.2.9/24;
KEY_BASE64        ${key('old')};
ALLOW_NO_HMAC     Y;
OPEN_PORTS        TCP/022, udp/1194;
ENCRYPTION_MODE   legacy;
`,
};

/** Commands, command cycles, and GPG. */
const AUTOMATION = {
  'fwknopd.conf': `
ENABLE_UDP_SERVER   Y;
UDPSERV_PORT        40001;
GPG_HOME_DIR        /var/lib/fwknop/.gnupg;
`,
  'access.conf': `
SOURCE                ANY;
REQUIRE_USERNAME      set keeper;
KEY_BASE64            ${key('sets')};
HMAC_KEY_BASE64       ${hmacKey('sets, too')};
CMD_CYCLE_OPEN        /usr/sbin/ipset add friends $SRC timeout $CLIENT_TIMEOUT -exist;
CMD_CYCLE_CLOSE       /usr/sbin/ipset del friends $IP "$PKT_SRC $DST" $PROTO/$PORT@$TIMEOUT;
CMD_CYCLE_TIMER       90;

SOURCE                192.0.2.10;
REQUIRE_USERNAME      backup;
KEY_BASE64            ${key('backup')};
HMAC_KEY_BASE64       ${hmacKey('backup, too')};
ENABLE_CMD_EXEC       Y;
CMD_EXEC_USER         backup;

# A key and gpg: packets of either are taken.
SOURCE                ANY;
OPEN_PORTS            tcp/22;
KEY_BASE64            ${key('carol')};
HMAC_KEY_BASE64       ${hmacKey('carol, too')};
GPG_DECRYPT_ID        ABCD1234;
GPG_DECRYPT_PW        open "sesame" \\o/ ü;
GPG_REMOTE_ID         1234abcd;
GPG_FINGERPRINT_ID    00112233445566778899AABBCCDDEEFF00112233, 0xFFEEDDCCBBAA99887766554433221100FFEEDDCC;
GPG_IGNORE_SIG_VERIFY_ERROR N;

SOURCE                ANY;
OPEN_PORTS            tcp/22;
GPG_ALLOW_NO_PW       Y;
GPG_HOME_DIR          /srv/keyring;
GPG_REQUIRE_SIG       N;
HMAC_KEY_BASE64       ${hmacKey('dave, too')};
`,
};

/** The configurations by name. Each runs as it is. */
export const EXAMPLES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a team': TEAM,
  'a gateway': GATEWAY,
  automation: AUTOMATION,
};

/** Configurations of fwknop as people have them, on a {@link FwknopGround}, and what is asked of each. */
import type { GpgHome } from './gpg-home.ts';
import { FWKNOP_PORTS } from './fwknop-cell.ts';

/** A second address of the gate. */
export const OTHER_GATE = '10.94.0.9';

/** One request of the real client. */
export interface FwknopQuestion {
  readonly what: string;
  /** The last two numbers of the address that it comes from and, unless it says otherwise, asks for. */
  readonly from: `${number}.${number}`;
  /** Arguments of the client; the server is {@link FwknopQuestion.to}. */
  readonly args: readonly string[];
  readonly to?: string;
  /** What answers then, as `PORT:WHO`, parted by spaces; empty where it is refused. */
  readonly opens: string;
  /** It must be closed again soon, as the request or the stanza says. */
  readonly closes?: true;
}

/** A directory of fwknop's files, and what is asked of it. */
export interface FwknopExample {
  readonly files: Readonly<Record<string, string>>;
  readonly questions: readonly FwknopQuestion[];
}

const { access, nat, localNat, local, command, controller } = FWKNOP_PORTS;
const SSH = `tcp/${String(access)}`;
const CONSOLE = `tcp/${String(local)}`;
const OPEN_SSH = `${String(access)}:gate`;

/** A pair of throw-away keys: for access.conf, and for the client. */
function keys(name: string): { readonly file: string; readonly args: readonly string[] } {
  const key = Buffer.from(name.padEnd(32, '.')).toString('base64');
  const hmac = Buffer.from(name.padEnd(64, '-')).toString('base64');
  return {
    file: `KEY_BASE64 ${key};\nHMAC_KEY_BASE64 ${hmac};\n`,
    args: ['--key-base64-rijndael', key, '--key-base64-hmac', hmac],
  };
}

/** Two persons with ports of their own, a laptop that may ask at one address only, and somebody whose time is over. */
export function teamExample(): FwknopExample {
  const [ada, bob, past] = [keys('ada'), keys('bob'), keys('past')];
  const asBob = ['-U', 'bob', '-M', 'CTR', '--hmac-digest-type', 'sha512', ...bob.args];
  const laptop = ['--key-rijndael', 'say friend, and then enter', '--key-hmac', 'and another one'];
  return {
    files: {
      'fwknopd.conf': `# Two persons and a laptop on the move.
PCAP_INTF                   ens3;
PCAP_FILTER                 udp port 62201;
MAX_SPA_PACKET_AGE          60;
FWKNOP_RUN_DIR              /run/fwknop;
FWKNOP_PID_FILE             $FWKNOP_RUN_DIR/fwknopd.pid;
SYSLOG_FACILITY             LOG_DAEMON;
`,
      'access.conf': `SOURCE:                   10.94.1.0/24, 10.94.2.77;
OPEN_PORTS:               ${SSH}, ${CONSOLE};
${ada.file}REQUIRE_USERNAME:         ada;
REQUIRE_SOURCE_ADDRESS:   Y;
FW_ACCESS_TIMEOUT:        60;
MAX_FW_TIMEOUT:           2;

SOURCE                    ANY;   # from anywhere, but never the console
OPEN_PORTS                ${SSH}, ${CONSOLE};
RESTRICT_PORTS            ${CONSOLE};
${bob.file}HMAC_DIGEST_TYPE          SHA512;
ENCRYPTION_MODE           CTR;
REQUIRE_USERNAME          bob;
REQUIRE_SOURCE_ADDRESS    Y;
ACCESS_EXPIRE             12/31/2037;

SOURCE                    ANY;
OPEN_PORTS                ${SSH};
${past.file}ACCESS_EXPIRE             12/31/2020;

SOURCE                    10.94.0.0/255.255.0.0;
DESTINATION               ${OTHER_GATE};
KEY                       say friend, and then enter;
%include_keys             laptop.keys
`,
      'laptop.keys': 'HMAC_KEY and another one;\n',
    },
    questions: [
      {
        what: 'ada, both ports',
        from: '1.1',
        args: ['-U', 'ada', '-A', `${SSH},${CONSOLE}`, ...ada.args],
        opens: `${OPEN_SSH} ${String(local)}:local`,
      },
      {
        what: 'ada, ten minutes, may have two seconds',
        from: '1.2',
        args: ['-U', 'ada', '-A', SSH, '-f', '600', ...ada.args],
        opens: OPEN_SSH,
        closes: true,
      },
      {
        what: 'ada, from her other address',
        from: '2.77',
        args: ['-U', 'ada', '-A', SSH, ...ada.args],
        opens: OPEN_SSH,
      },
      { what: 'ada, from elsewhere', from: '2.78', args: ['-U', 'ada', '-A', SSH, ...ada.args], opens: '' },
      { what: "ada's keys, another name", from: '1.3', args: ['-U', 'eve', '-A', SSH, ...ada.args], opens: '' },
      { what: 'ada, address left out', from: '1.4', args: ['-U', 'ada', '-s', '-A', SSH, ...ada.args], opens: '' },
      {
        what: 'ada, an hour ago',
        from: '1.5',
        args: ['-U', 'ada', '-A', SSH, '--time-offset-minus', '60min', ...ada.args],
        opens: '',
      },
      {
        what: 'ada, a port that is not hers',
        from: '1.6',
        args: ['-U', 'ada', '-A', `${SSH},tcp/${String(nat)}`, ...ada.args],
        opens: '',
      },
      { what: 'bob, from anywhere', from: '2.9', args: [...asBob, '-A', SSH], opens: OPEN_SSH },
      { what: 'bob, the console', from: '2.10', args: [...asBob, '-A', CONSOLE], opens: '' },
      { what: 'whose time is over', from: '2.11', args: ['-A', SSH, ...past.args], opens: '' },
      { what: 'laptop, at its address', from: '2.12', to: OTHER_GATE, args: ['-A', SSH, ...laptop], opens: OPEN_SSH },
      { what: 'laptop, at the other', from: '2.13', args: ['-A', SSH, ...laptop], opens: '' },
      { what: 'keys of nobody', from: '2.14', args: ['-A', SSH, ...keys('mallory').args], opens: '' },
    ],
  };
}

/** A gateway in front of another host. */
export function gatewayExample(inner: string): FwknopExample {
  const [build, shop] = [keys('build'), keys('shop')];
  const old = ['--key-rijndael', 'old and short', '-M', 'legacy'];
  const asShop = ['-M', 'OFB', '--hmac-digest-type', 'sha3_256', ...shop.args];
  return {
    files: {
      'fwknopd.conf': `PCAP_FILTER               udp dst portrange 62000-62300 or (icmp);
ENABLE_IPT_FORWARDING     Y;
ENABLE_IPT_LOCAL_NAT      Y;
ENABLE_NAT_DNS            N;
ACCESS_FOLDER             access.d;
`,
      'access.d/10-build.conf': `SOURCE            10.94.1.0/24;
${build.file}FORCE_NAT         ${inner} ${String(access)};
FORCE_MASQUERADE  Y;
OPEN_PORTS        tcp/${String(nat)};
`,
      'access.d/20-shop.conf': `SOURCE            10.94.2.0/24;
${shop.file}HMAC_DIGEST_TYPE  sha3_256;
ENCRYPTION_MODE   ofb;
%include          ../shared/old.conf;
`,
      'access.d/README': 'no configuration',
      'shared/old.conf': `SOURCE            10.94.3.9/24;
KEY               old and short;
ALLOW_NO_HMAC     Y;
OPEN_PORTS        ${SSH.toUpperCase()};
ENCRYPTION_MODE   legacy;
`,
    },
    questions: [
      {
        what: 'build, led to the inner host',
        from: '1.1',
        args: ['-A', `tcp/${String(nat)}`, ...build.args],
        opens: `${String(nat)}:inner`,
      },
      {
        what: 'build, for two seconds',
        from: '1.2',
        args: ['-A', `tcp/${String(nat)}`, '-f', '2', ...build.args],
        opens: `${String(nat)}:inner`,
        closes: true,
      },
      { what: 'build, another port', from: '1.3', args: ['-A', SSH, ...build.args], opens: '' },
      {
        what: 'shop, leads to a host that it names',
        from: '2.1',
        args: ['-A', `tcp/${String(access)}`, '--nat-port', String(nat), '-N', `${inner}:${String(access)}`, ...asShop],
        opens: `${String(nat)}:inner`,
      },
      {
        what: 'shop, leads to another port here',
        from: '2.2',
        args: ['-A', SSH, '--nat-local', '--nat-port', String(localNat), '-N', `10.94.0.1:${String(local)}`, ...asShop],
        opens: `${String(localNat)}:local`,
      },
      {
        what: 'shop, leads to a name',
        from: '2.3',
        args: ['-A', SSH, '--nat-port', String(nat), '-N', `inner.example:${String(access)}`, ...asShop],
        opens: '',
      },
      {
        what: 'shop, at another port of the range',
        from: '2.4',
        args: ['-p', '62042', '-A', SSH, ...asShop],
        opens: OPEN_SSH,
      },
      { what: 'shop, by icmp', from: '2.5', args: ['-P', 'icmp', '-A', SSH, ...asShop], opens: OPEN_SSH },
      { what: 'shop, outside of the range', from: '2.6', args: ['-p', '61999', '-A', SSH, ...asShop], opens: '' },
      { what: 'old, legacy without an HMAC', from: '3.1', args: ['-A', SSH, ...old], opens: OPEN_SSH },
      { what: 'old, another port', from: '3.2', args: ['-A', CONSOLE, ...old], opens: '' },
    ],
  };
}

/** Command cycles, commands of clients, and GPG. */
export function automationExample(gpg: { readonly client: GpgHome; readonly server: GpgHome }): FwknopExample {
  const [sets, backup] = [keys('sets'), keys('backup')];
  const { client, server } = gpg;
  const element = 'element ip commanded open { $SRC }';
  const asGpg = ['-g', '--gpg-recipient-key', server.fingerprint, '--gpg-signer-key', client.fingerprint].concat([
    '--gpg-home-dir',
    client.directory,
    '--gpg-no-signing-pw',
    '--use-hmac',
    '--key-hmac',
    'beside the key',
  ]);
  // The controller opens for the source whose number the connection's port tells.
  const nc = (index: number): string => `/bin/nc -z -p ${String(20_000 + index)} 127.0.0.1 ${String(controller)}`;
  return {
    files: {
      'fwknopd.conf': `ENABLE_UDP_SERVER   Y;
UDPSERV_PORT        40001;
GPG_HOME_DIR        ${server.directory};
`,
      'access.conf': `SOURCE                ANY;
REQUIRE_USERNAME      set keeper;
${sets.file}CMD_CYCLE_OPEN        /usr/sbin/nft add ${element};
CMD_CYCLE_CLOSE       /usr/sbin/nft delete ${element};
CMD_CYCLE_TIMER       3;

SOURCE                10.94.1.0/24;
REQUIRE_USERNAME      backup;
${backup.file}ENABLE_CMD_EXEC       Y;
CMD_EXEC_USER         nobody;

SOURCE                10.94.2.0/24;
OPEN_PORTS            ${SSH};
HMAC_KEY              beside the key;
GPG_ALLOW_NO_PW       Y;
GPG_FINGERPRINT_ID    ${client.fingerprint};

SOURCE                10.94.3.0/24;
OPEN_PORTS            ${SSH};
HMAC_KEY              beside the key;
GPG_ALLOW_NO_PW       Y;
GPG_FINGERPRINT_ID    00112233445566778899AABBCCDDEEFF00112233;
`,
    },
    questions: [
      {
        what: 'cycle: opens, and closes after its time',
        from: '1.1',
        args: ['-U', 'set keeper', '-A', SSH, ...sets.args],
        opens: `${String(command)}:command`,
        closes: true,
      },
      { what: 'cycle, another name', from: '1.2', args: ['-U', 'somebody', '-A', SSH, ...sets.args], opens: '' },
      {
        what: 'a command',
        from: '1.3',
        args: ['-U', 'backup', '-C', nc(2), ...backup.args],
        opens: `${String(command)}:command`,
        closes: true,
      },
      {
        what: 'a command, from elsewhere',
        from: '2.4',
        args: ['-U', 'backup', '-C', nc(203), ...backup.args],
        opens: '',
      },
      {
        what: 'a command of who may run none',
        from: '2.5',
        args: ['-U', 'set keeper', '-C', nc(204), ...sets.args],
        opens: '',
      },
      { what: 'gpg, signed by whom the stanza names', from: '2.6', args: ['-A', SSH, ...asGpg], opens: OPEN_SSH },
      { what: 'gpg, another port', from: '2.7', args: ['-A', CONSOLE, ...asGpg], opens: '' },
      { what: 'gpg, signed by somebody else', from: '3.1', args: ['-A', SSH, ...asGpg], opens: '' },
    ],
  };
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '@postern/protocol';
import type { Door } from '../../config/model.ts';
import { FINDINGS } from '../finding-table.ts';
import { parseIptables } from '../ruleset/iptables-text.ts';
import { boot } from './boot.ts';
import { doorPorts, knockSockets } from './door-ports.ts';
import type { Examiner, Network, Subject } from './examiner.ts';
import { CHECK, DOCTOR } from './examiners.ts';
import { forwarding, grantedTraffic, knockTraffic, unreadRules } from './granted-traffic.ts';
import { capabilities, clock, versions } from './host.ts';
import { sshdSettings } from './sshd-settings.ts';
import { parseSshd } from './sshd.ts';
import { parseUnit } from './unit.ts';
import { closedPorts, echoes, listeningSockets, publishedPorts } from './strangers.ts';
import { inputRules, service, socket, subject, type SubjectOptions } from './subject.fixture.ts';

const ssh = service('ssh', 22);
const hidden = service('ssh', 22, { protect: true });
const NO_SSH = inputRules('-p tcp -m tcp --dport 22 -j DROP');
const ONLY_SSH = inputRules('-p tcp -m tcp --dport 22 -j ACCEPT', '-j DROP');
const RIDDLE = inputRules('-m geoip --source-country AQ -j ACCEPT', '-j DROP');
const LISTENING = [socket('tcp', '0.0.0.0', 5432)];

function raw(rule: string): Partial<Network> {
  return { ruleset: parseIptables(`*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING ${rule}\nCOMMIT\n`, 4, 'nft') };
}

function nat(rule: string, more = ''): Partial<Network> {
  const text = `*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A DOCKER ${rule}\nCOMMIT\n${more}`;
  return { ruleset: parseIptables(text, 4, 'nft') };
}

const unit = (load: string, state = '', before = ''): SubjectOptions => ({
  configuration: { services: [hidden] },
  facts: { unit: parseUnit(`LoadState=${load}\nUnitFileState=${state}\nBefore=${before}\n`) },
});
const sshd = (text: string): SubjectOptions => ({ facts: { sshd: parseSshd(text) } });
const front: Door = {
  name: 'front',
  steps: [{ protocol: 'tcp', port: 5432, flagsSet: 0, flagsClear: 0, minGap: 0, maxGap: 1 }],
  ...{ oneTime: undefined, timeout: 1, minGap: 0, maxGap: 1, misses: 0, anyOrder: false, target: undefined },
  ...{ opens: { service: ssh.name, seconds: ssh.seconds }, commands: undefined },
};
const behind = { 4: { address: parseAddress('10.0.0.2') ?? new Uint8Array(16), port: 2222, masquerade: false } };

const TABLE: readonly (readonly [
  name: string,
  examiner: Examiner,
  options: SubjectOptions,
  found: readonly string[],
])[] = [
  ['rules: none', grantedTraffic, { configuration: { services: [ssh] } }, []],
  [
    'rules: the service dropped',
    grantedTraffic,
    { configuration: { services: [ssh] }, network: { ruleset: NO_SSH } },
    ['error rules-stop-granted'],
  ],
  [
    'rules: another port dropped',
    grantedTraffic,
    { configuration: { services: [service('web', 443)] }, network: { ruleset: NO_SSH } },
    [],
  ],
  [
    'rules: a riddle',
    grantedTraffic,
    { configuration: { services: [ssh] }, network: { ruleset: RIDDLE } },
    ['note rules-unclear'],
  ],
  [
    'rules: not tracked',
    grantedTraffic,
    { configuration: { services: [ssh] }, network: raw('-p tcp -m tcp --dport 22 -j CT --notrack') },
    ['error untracked'],
  ],
  [
    'rules: others not tracked',
    grantedTraffic,
    { configuration: { services: [ssh] }, network: raw('-p udp -m udp --dport 53 -j CT --notrack') },
    [],
  ],
  ['rules: unreadable', unreadRules, { network: { troubles: ['nft failed'] } }, ['warning rules-unread']],
  [
    'doors: a port with a service',
    doorPorts,
    { configuration: { doors: [front] }, network: { sockets: LISTENING } },
    ['error door-port-in-use'],
  ],
  [
    'doors: a port that only this host reaches',
    doorPorts,
    { configuration: { doors: [front] }, network: { sockets: [socket('tcp', '127.0.0.1', 5432)] } },
    [],
  ],
  [
    'doors: an open port has no packet sockets',
    knockSockets,
    { configuration: { doors: [front], capture: 'dgram' } },
    ['warning knocks-need-packets'],
  ],
  ['doors: none', knockSockets, { configuration: { services: [ssh], capture: 'dgram' } }, []],
  [
    'knocks: a packet socket is before the rules',
    knockTraffic,
    { network: { ruleset: inputRules('-p udp -j DROP') } },
    [],
  ],
  [
    'knocks: an open port is behind them',
    knockTraffic,
    { configuration: { capture: 'dgram' }, network: { ruleset: inputRules('-p udp -j DROP') } },
    ['error knocks-stopped'],
  ],
  [
    'receipts: stopped',
    knockTraffic,
    {
      network: {
        ruleset: parseIptables(
          '*filter\n:OUTPUT DROP [0:0]\n-A OUTPUT -m state --state ESTABLISHED -j ACCEPT\nCOMMIT\n',
          4,
          'nft',
        ),
      },
    },
    ['warning receipts-stopped'],
  ],
  [
    'forwarding: off',
    forwarding,
    { configuration: { services: [service('db', 5432, { forward: behind })] } },
    ['error not-forwarding'],
  ],
  ['forwarding: not needed', forwarding, { configuration: { services: [ssh] } }, []],
  [
    'forwarding: stopped on the way',
    grantedTraffic,
    {
      configuration: { services: [service('db', 22, { forward: behind })] },
      network: { ruleset: parseIptables('*filter\n:FORWARD DROP [0:0]\nCOMMIT\n', 4, 'nft') },
    },
    ['error rules-stop-granted'],
  ],
  [
    'forwarding: the input chain does not matter',
    grantedTraffic,
    {
      configuration: { services: [service('db', 22, { forward: behind })] },
      network: { ruleset: inputRules('-j DROP') },
    },
    [],
  ],
  ['clock: nobody keeps it', clock, { facts: { clockKept: false } }, ['warning clock-unkept']],
  ['clock: unknown', clock, { facts: { clockKept: undefined } }, []],
  [
    'capabilities: too few',
    capabilities,
    { facts: { missingCapabilities: ['CAP_NET_RAW'] }, running: false },
    ['error capabilities-missing'],
  ],
  ['capabilities: a daemon runs', capabilities, { facts: { missingCapabilities: ['CAP_NET_RAW'] } }, []],
  ['kernel: 5.10', versions, { facts: { kernel: '5.10.0-28-amd64' } }, ['note kernel-old']],
  ['kernel: 6.18', versions, { facts: { kernel: '6.18.44' } }, []],
  ['boot: no systemd', boot, { configuration: { services: [hidden] } }, []],
  ['boot: no unit', boot, unit('not-found'), ['warning no-unit']],
  ['boot: not enabled', boot, unit('loaded', 'disabled'), ['warning not-enabled']],
  ['boot: late', boot, unit('loaded', 'enabled', 'shutdown.target multi-user.target'), ['warning late-at-boot']],
  ['boot: in order', boot, unit('loaded', 'enabled', 'network-pre.target shutdown.target'), []],
  ['boot: nothing protected', boot, { ...unit('not-found'), configuration: { services: [ssh] } }, []],
  ['sockets: everybody', listeningSockets, { network: { sockets: LISTENING } }, ['warning answers-strangers']],
  [
    'sockets: loopback only',
    listeningSockets,
    { network: { sockets: [socket('tcp', '127.0.0.1', 5432), socket('tcp', '::1', 5432)] } },
    [],
  ],
  [
    'sockets: dual stack',
    listeningSockets,
    { network: { sockets: [socket('tcp', '::', 5432)] } },
    ['warning answers-strangers'],
  ],
  [
    'sockets: IPv6 only, on a host without it',
    listeningSockets,
    { network: { sockets: [socket('tcp', '::', 80), socket('tcp', '0.0.0.0', 80)] } },
    ['warning answers-strangers'],
  ],
  ['sockets: a firewall drops', listeningSockets, { network: { sockets: LISTENING, ruleset: ONLY_SSH } }, []],
  [
    'sockets: perhaps a firewall drops',
    listeningSockets,
    { network: { sockets: LISTENING, ruleset: RIDDLE } },
    ['note answers-strangers'],
  ],
  [
    'sockets: of a service',
    listeningSockets,
    { configuration: { services: [service('db', 5432)] }, network: { sockets: LISTENING } },
    [],
  ],
  [
    'sockets: of a protected service',
    listeningSockets,
    { configuration: { services: [service('db', 5432, { protect: true })] }, network: { sockets: LISTENING } },
    ['error protected-but-open'],
  ],
  [
    'sockets: allowed',
    listeningSockets,
    { configuration: { allow: ['tcp/5432'] }, network: { sockets: LISTENING } },
    [],
  ],
  [
    'sockets: UDP',
    listeningSockets,
    { network: { sockets: [socket('udp', '0.0.0.0', 161)] } },
    ['note hears-strangers'],
  ],
  [
    "sockets: a program's own question",
    listeningSockets,
    { network: { sockets: [socket('udp', '0.0.0.0', 40_000)] } },
    [],
  ],
  ['sockets: the knock port', listeningSockets, { network: { sockets: [socket('udp', '0.0.0.0', 62_201)] } }, []],
  [
    'published: a container',
    publishedPorts,
    { network: nat('! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80') },
    ['warning published'],
  ],
  [
    'published: dropped on the way',
    publishedPorts,
    {
      network: nat(
        '-p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80',
        '*filter\n:FORWARD DROP [0:0]\nCOMMIT\n',
      ),
    },
    [],
  ],
  ['closed ports: no rules', closedPorts, {}, ['note closed-ports-answer', 'note closed-ports-answer']],
  ['closed ports: dropped', closedPorts, { network: { ruleset: inputRules('-j DROP') } }, []],
  [
    'closed ports: rejected',
    closedPorts,
    { network: { ruleset: inputRules('-p tcp -j REJECT --reject-with tcp-reset', '-j DROP') } },
    ['note closed-ports-answer'],
  ],
  [
    'closed ports: of a dark host without its rules',
    closedPorts,
    { configuration: { dark: true } },
    ['error dark-but-open'],
  ],
  ['ping: answered', echoes, {}, ['note echo-answers']],
  ['ping: by a rule', echoes, { network: { ruleset: inputRules('-p icmp -m icmp --icmp-type 8 -j DROP') } }, []],
  ['ping: allowed', echoes, { configuration: { allow: ['ping'] } }, []],
  ['sshd: not there', sshdSettings, {}, []],
  [
    'sshd: in order',
    sshdSettings,
    sshd('passwordauthentication no\npermitrootlogin prohibit-password\nusedns no\nlogingracetime 60\n'),
    [],
  ],
  [
    'sshd: passwords',
    sshdSettings,
    sshd('passwordauthentication yes\nkbdinteractiveauthentication yes\n'),
    ['warning sshd-passwords', 'note sshd-passwords'],
  ],
  [
    'sshd: root',
    sshdSettings,
    sshd('permitrootlogin yes\npermitemptypasswords yes\n'),
    ['error sshd-empty-passwords', 'warning sshd-root'],
  ],
  ['sshd: names and grace', sshdSettings, sshd('usedns yes\nlogingracetime 0\n'), ['note sshd-grace', 'note sshd-dns']],
];

for (const [name, examiner, options, expected] of TABLE) {
  test(`doctor: ${name}`, () => {
    const found = examiner(subject(options));
    assert.deepEqual(
      found.map(({ severity, code }) => `${severity} ${code}`),
      expected,
    );
    for (const { severity, code, what, why, mend } of found) {
      assert.match(`${what}\n${why}`, /^.*[^.]\n(?:[^A-Z]|TCP|UDP).*[^.]$/);
      assert.ok(FINDINGS[code].severities.includes(severity), `${code} is documented as ${severity}`);
      assert.ok(severity === 'note' || mend !== undefined, 'says what mends it');
    }
  });
}

test('what was hidden from connection tracking fares accordingly in later rules', () => {
  const text = `*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j CT --notrack\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\nCOMMIT\n`;
  const found = grantedTraffic(
    subject({ configuration: { services: [ssh] }, network: { ruleset: parseIptables(text, 4, 'nft') } }),
  );
  assert.deepEqual(
    found.map(({ code }) => code),
    ['rules-stop-granted', 'untracked'],
  );
});

test('a service with many ports is one finding with all rules to add', () => {
  const web = service('web', 80, { endpoints: [80, 443].map((port) => ({ protocol: 'tcp' as const, port })) });
  const [finding, ...more] = grantedTraffic(
    subject({ configuration: { services: [web] }, network: { ruleset: inputRules('-j DROP') } }),
  );
  assert.deepEqual(more, []);
  assert.equal(
    finding?.what,
    "web: the host's own rules stop tcp/80, tcp/443 over IPv4 (chain INPUT of table ip filter)",
  );
  assert.equal(
    finding.mend,
    'iptables -I INPUT -p tcp --dport 80 -j ACCEPT && iptables -I INPUT -p tcp --dport 443 -j ACCEPT  # and to keep it: netfilter-persistent save',
  );
});

test('doctor finds all that check finds; a host in order has nothing but what its kernel answers', () => {
  for (const examiner of CHECK) assert.ok(DOCTOR.includes(examiner));
  const found = (it: Subject): string[] => DOCTOR.flatMap((examiner) => examiner(it).map(({ code }) => code));
  assert.deepEqual(
    found(
      subject({
        configuration: { services: [hidden] },
        network: { ruleset: inputRules('-p tcp --dport 22 -j ACCEPT', '-j DROP') },
      }),
    ),
    ['protected-without-devices'],
  );
});

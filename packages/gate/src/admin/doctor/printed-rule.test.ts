import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { namespacesAvailable } from '@postern/testkit';
import { DEVICE, Household, STRANGER } from '@postern/testkit/household';
import { Sshd } from '@postern/testkit/sshd';
import type { Finding } from '../finding.ts';
import { HOST_RULES } from '../ruleset/rulesets.fixture.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

const SERVICES = '[services.ssh]\nports = ["tcp/22"]\nseconds = 300\nsingle_use = false\nprotect = true\n';

/** What the tools that are not installed here write when they are told so. */
const STANDS_FOR: Readonly<Record<string, string>> = {
  'ufw allow 22/tcp':
    'iptables -A ufw-user-input -p tcp --dport 22 -j ACCEPT && ip6tables -A ufw6-user-input -p tcp --dport 22 -j ACCEPT',
  'firewall-cmd --permanent --add-port=22/tcp && firewall-cmd --reload':
    'nft add rule inet firewalld filter_IN_public_allow tcp dport 22 accept',
};

const EMPTY = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';

/** The rulesets that stop ssh over both families, one of each owner. */
const STOPPING = HOST_RULES.filter(
  ({ owner, families }, i) =>
    owner !== undefined && families === undefined && HOST_RULES.findIndex((it) => it.owner === owner) === i,
);

test(
  'the printed rule is what was missing: before it a granted connection dies, after it it gets through',
  { skip, timeout: 240_000 },
  async (context) => {
    assert.deepEqual(STOPPING.map(({ owner }) => owner).sort(), [
      'firewalld',
      'iptables',
      'iptables-legacy',
      'nft',
      'ufw',
    ]);
    await using house = await Household.build({ services: SERVICES });
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    house.join();
    for (const family of ['-4', '-6']) assert.equal(house.postern('knock', 'demo', family).code, 0);
    const stopped = (): Finding[] => {
      const { findings } = JSON.parse(house.gate.command('check', '--json').out) as { findings: Finding[] };
      return findings.filter(
        ({ code }) => code === 'rules-stop-granted' || code === 'rules-unclear' || code === 'receipts-stopped',
      );
    };
    const reached = async (): Promise<boolean[]> => [
      await house.reaches(22, DEVICE[4], 500),
      await house.reaches(22, DEVICE[6], 500),
      await house.reaches(22, STRANGER[4], 300),
    ];
    assert.deepEqual(stopped(), []);
    assert.deepEqual(await reached(), [true, true, false]);
    for (const rules of STOPPING) {
      await context.test(rules.name, async () => {
        try {
          for (const [program, text] of rules.load) {
            if (program === 'nft') house.gateSide.run('nft', ['-f', '-'], text.replaceAll('} }', '}\n}'));
            else house.gateSide.run(`${program}-restore`, [], text);
          }
          assert.deepEqual(await reached(), [false, false, false]);
          const [finding, ...more] = stopped();
          assert.deepEqual([finding?.severity, finding?.code, more], ['error', 'rules-stop-granted', []]);
          const [command = ''] = finding?.mend?.split('  #') ?? [];
          house.gateSide.run('sh', ['-ec', STANDS_FOR[command] ?? command]);
          assert.deepEqual(stopped(), []);
          assert.deepEqual(await reached(), [true, true, false]);
        } finally {
          for (const table of ['inet filter', 'inet firewalld'])
            house.gateSide.run('sh', ['-c', `nft delete table ${table} 2>/dev/null || true`]);
          for (const six of ['', '6'])
            for (const kind of ['', '-legacy']) house.gateSide.run(`ip${six}tables${kind}-restore`, [], EMPTY);
        }
      });
    }
  },
);

test(
  'receipts and knocks through an open port: what stops them is told with the rule to add',
  { skip, timeout: 120_000 },
  async () => {
    await using house = await Household.build({ gate: 'capture = "dgram"' });
    house.join();
    house.gateSide.run(
      'nft',
      ['-f', '-'],
      `table inet filter {
    chain input { type filter hook input priority 0; policy drop; ct state established accept; icmpv6 type != 1 accept; }
    chain output { type filter hook output priority 0; policy drop; icmpv6 type != 1 accept; udp sport != 62201 accept; }
  }`,
    );
    const { findings } = JSON.parse(house.gate.command('check', '--json').out) as { findings: Finding[] };
    const mends = findings
      .filter(({ code }) => code === 'knocks-stopped' || code === 'receipts-stopped')
      .map(({ mend = '' }) => mend.split('  #')[0]);
    assert.deepEqual(mends, [
      'nft insert rule inet filter input udp dport 62201 accept',
      'nft insert rule inet filter output udp sport 62201 accept',
    ]);
    assert.notEqual(house.postern('knock', 'demo', '-4', '--timeout', '1').code, 0);
    for (const mend of mends) house.gateSide.run('sh', ['-ec', mend]);
    assert.equal(house.postern('knock', 'demo', '-4').code, 0);
  },
);

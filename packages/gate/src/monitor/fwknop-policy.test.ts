import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, type Seconds, type UnixMicros } from '@postern/protocol';
import fc from 'fast-check';
import type { FwknopCipher, FwknopNat, FwknopStanza } from '../config/fwknop/model.ts';
import type { FwknopFrame } from '../line/fwknop-codec.ts';
import { concerns, decideStanza, sourceOf, type StanzaDecision } from './fwknop-policy.ts';
import { address, commandRequest, natRequest, NOW, ports, prefix, request, stanza } from './fwknop.fixture.ts';

const MICROS = (NOW * 1_000_000) as UnixMicros;

function concerned(over: Partial<FwknopStanza>, asked: Partial<FwknopFrame> = {}): string {
  const result = concerns(stanza('s', over), request(asked), MICROS);
  return result.ok ? 'concerned' : result.reason;
}

/** A decision in a line: what the tables hold. */
function shown(decision: StanzaDecision): string {
  switch (decision.kind) {
    case 'grant': {
      const { source, endpoints, seconds, target } = decision;
      const list = endpoints.map(({ protocol, port }) => `${protocol}/${String(port)}`).join(' ');
      const host = target?.host instanceof Uint8Array ? formatAddress(target.host) : target?.host;
      const lead =
        target === undefined ? '' : ` to ${host ?? ''} ${String(target.port)}${target.masquerade ? ' masked' : ''}`;
      return `${formatAddress(source.address)}/${String(source.prefix)} ${list} ${String(seconds)}s${lead}`;
    }
    case 'command':
      return `${decision.user}: ${JSON.stringify(decision.argv)}`;
    case 'cycle':
      return `cycle of ${decision.user} for ${formatAddress(decision.source.address)} ${decision.endpoint.protocol}/${String(decision.endpoint.port)} ${String(decision.seconds)}s`;
  }
}

function decided(over: Partial<FwknopStanza>, frame: FwknopFrame): string {
  const result = decideStanza(stanza('s', over), frame);
  return result.ok ? shown(result.value) : result.reason;
}

test('SOURCE, DESTINATION and expiry are about the packet, in that order', () => {
  const six = { family: 6, source: address('2001:db8::7'), destination: address('2001:db8:1::1') } as const;
  const cases: readonly [Partial<FwknopStanza>, Partial<FwknopFrame>, string][] = [
    [{}, {}, 'concerned'],
    [{}, six, 'concerned'],
    [{ sources: [prefix('192.0.2.0/24')] }, {}, 'concerned'],
    [{ sources: [prefix('192.0.3.0/24'), prefix('192.0.2.1/32')] }, {}, 'concerned'],
    [{ sources: [prefix('192.0.2.2/32')] }, {}, 'source'],
    // Whoever is asked for does not matter, only who asks.
    [{ sources: [prefix('192.0.2.0/24')] }, { asked: address('203.0.113.1') }, 'concerned'],
    [{ sources: [prefix('203.0.113.1/32')] }, { asked: address('203.0.113.1') }, 'source'],
    [{ sources: [prefix('0.0.0.0/0')] }, six, 'source'],
    [{ sources: [prefix('2001:db8::/32')] }, six, 'concerned'],
    [{ sources: [] }, {}, 'source'],
    [{ destinations: [prefix('198.51.100.1/32')] }, {}, 'concerned'],
    [{ destinations: [prefix('198.51.100.2/32')] }, {}, 'destination'],
    [{ destinations: [] }, {}, 'destination'],
    [{ expires: (MICROS + 1) as UnixMicros }, {}, 'concerned'],
    [{ expires: MICROS }, {}, 'expired'],
    [{ destinations: [], expires: MICROS }, {}, 'destination'],
    [{ sources: [], destinations: [] }, {}, 'source'],
  ];
  for (const [over, asked, expected] of cases) assert.equal(concerned(over, asked), expected);
});

test('the address that is asked for, or the one that it came from, is let in alone', () => {
  const cases: readonly [Partial<FwknopFrame>, string][] = [
    [{}, '192.0.2.1/32 4'],
    [{ asked: undefined }, '192.0.2.1/32 4'],
    [{ asked: address('203.0.113.9') }, '203.0.113.9/32 4'],
    [{ asked: address('2001:db8::1') }, '2001:db8::1/128 6'],
    [{ asked: undefined, family: 6, source: address('2001:db8::7') }, '2001:db8::7/128 6'],
    [{ family: 6, source: address('2001:db8::7') }, '192.0.2.1/32 4'],
  ];
  for (const [over, expected] of cases) {
    const { address: bytes, prefix: bits, family } = sourceOf(request(over));
    assert.equal(`${formatAddress(bytes)}/${String(bits)} ${String(family)}`, expected);
  }
});

test('ports: every one must be open, and none restricted', () => {
  const asks = (text: string): FwknopFrame => request({ ports: ports(text) });
  const cases: readonly [Partial<FwknopStanza>, string, string][] = [
    [{}, 'tcp/22', '192.0.2.1/32 tcp/22 30s'],
    [{}, 'tcp/22 udp/53', '192.0.2.1/32 tcp/22 udp/53 30s'],
    [{}, 'tcp/22 tcp/22 udp/22', '192.0.2.1/32 tcp/22 udp/22 30s'],
    [{ openPorts: ports('tcp/22') }, 'tcp/22', '192.0.2.1/32 tcp/22 30s'],
    [{ openPorts: ports('tcp/22') }, 'udp/22', 'ports'],
    [{ openPorts: ports('tcp/22') }, 'tcp/22 tcp/23', 'ports'],
    [{ openPorts: ports('tcp/22 tcp/23') }, 'tcp/22 tcp/23', '192.0.2.1/32 tcp/22 tcp/23 30s'],
    [{ openPorts: [] }, 'tcp/22', 'ports'],
    [{ restrictPorts: ports('tcp/23') }, 'tcp/22', '192.0.2.1/32 tcp/22 30s'],
    [{ restrictPorts: ports('tcp/23') }, 'tcp/22 tcp/23', 'ports'],
    [{ restrictPorts: ports('tcp/22') }, 'udp/22', '192.0.2.1/32 udp/22 30s'],
    [{ openPorts: ports('tcp/22'), restrictPorts: ports('tcp/22') }, 'tcp/22', 'ports'],
  ];
  for (const [over, text, expected] of cases) assert.equal(decided(over, asks(text)), expected, text);
  assert.equal(decided({}, request({ ports: [] })), 'ports');
});

test('time: what the client asks for up to the most, and the stanza’s own however long that is', () => {
  const cases: readonly [seconds: number, most: number, timeout: number, expected: number][] = [
    [30, 300, 0, 30],
    [30, 300, 60, 60],
    [30, 300, 1, 1],
    [30, 300, 301, 300],
    [30, 10, 600, 10],
    // As with fwknop, MAX_FW_TIMEOUT is about clients.
    [500, 300, 0, 500],
    [30, 8_388_608, 65_536, 65_536],
  ];
  for (const [seconds, most, timeout, expected] of cases)
    assert.equal(
      decided({ seconds: seconds as Seconds, maxSeconds: most as Seconds }, request({ timeout, message: 3 })),
      `192.0.2.1/32 tcp/22 ${String(expected)}s`,
    );
});

test('who must name an address, and who must be whom', () => {
  const cases: readonly [Partial<FwknopStanza>, Partial<FwknopFrame>, string][] = [
    [{ requireSourceAddress: true }, {}, '192.0.2.1/32 tcp/22 30s'],
    [{ requireSourceAddress: true }, { asked: undefined }, 'address-required'],
    [{ requireUser: 'ada' }, {}, '192.0.2.1/32 tcp/22 30s'],
    [{ requireUser: 'Ada' }, {}, 'user'],
    [{ requireUser: 'ada' }, { user: 'ada ' }, 'user'],
    [{ requireUser: 'ada', requireSourceAddress: true }, { user: 'eve', asked: undefined }, 'address-required'],
    [{ requireUser: 'bob', openPorts: [] }, {}, 'user'],
  ];
  for (const [over, asked, expected] of cases) assert.equal(decided(over, request(asked)), expected);
});

test('signatures: one of those that the stanza names, and a good one', () => {
  const gpg = (over: Partial<Extract<FwknopCipher, { kind: 'gpg' }>>): Partial<FwknopStanza> => ({
    cipher: {
      ...{ kind: 'gpg', home: '/h', program: '/usr/bin/gpg', passphrase: undefined },
      ...{ signers: undefined, ignoreBadSignature: false },
      ...over,
    },
  });
  const fingerprint = new Uint8Array(20).fill(0xab, 0, 16).fill(0x1c, 16);
  const whole = `${'AB'.repeat(16)}1C1C1C1C`;
  const by = (good: boolean, more: readonly FwknopFrame['signers'][number][] = []): FwknopFrame =>
    request({ signers: [...more, { fingerprint, good }] });
  const other = { fingerprint: new Uint8Array(20).fill(1), good: true };
  const [opens, refused] = ['192.0.2.1/32 tcp/22 30s', 'signer'];
  const cases: readonly [Partial<FwknopStanza>, FwknopFrame, string][] = [
    [gpg({}), request(), opens],
    [gpg({ signers: [] }), by(true), refused],
    [gpg({ signers: [whole] }), request(), refused],
    [gpg({ signers: [whole] }), by(true), opens],
    [gpg({ signers: [whole] }), by(false), refused],
    [gpg({ signers: [whole], ignoreBadSignature: true }), by(false), opens],
    [gpg({ signers: [whole], ignoreBadSignature: true }), request({ signers: [other] }), refused],
    [gpg({ signers: [whole] }), request({ signers: [other] }), refused],
    [gpg({ signers: [whole] }), by(true, [other]), opens],
    // A bad one of whom is named, beside a good one of somebody else.
    [gpg({ signers: [whole] }), by(false, [other]), refused],
    [gpg({ signers: ['0'.repeat(40), whole] }), by(true), opens],
    [gpg({ signers: ['1C1C1C1C'] }), by(true), opens],
    [gpg({ signers: ['AB1C1C1C'] }), by(true), refused],
  ];
  for (const [over, frame, expected] of cases) assert.equal(decided(over, frame), expected);
});

test('commands: only where the stanza says as whom, as words, behind its prefix', () => {
  const on = { commandUser: 'nobody' };
  const sudo = { ...on, commandPrefix: ['/usr/bin/sudo', '-u', 'backup'] };
  const cases: readonly [Partial<FwknopStanza>, string, string][] = [
    [{}, 'id', 'command-off'],
    [{ openPorts: [] }, 'id', 'command-off'],
    [on, 'id', 'nobody: ["id"]'],
    [{ ...on, openPorts: [] }, '/bin/touch "a b" ; rm x', 'nobody: ["/bin/touch","a b",";","rm","x"]'],
    [on, '/bin/echo {source} {port}', 'nobody: ["/bin/echo","{source}","{port}"]'],
    [on, '   ', 'command-form'],
    [on, '""', 'command-form'],
    [on, '"" id', 'command-form'],
    [on, 'echo "x', 'command-form'],
    [sudo, '/bin/id -u', 'nobody: ["/usr/bin/sudo","-u","backup","/bin/id","-u"]'],
    // Its own options are not those of sudo.
    [sudo, '-u root id', 'command-form'],
    [sudo, '"-u" root id', 'command-form'],
    [sudo, '\\-s', 'command-form'],
  ];
  for (const [over, command, expected] of cases)
    assert.equal(decided(over, commandRequest(command)), expected, command);
  // A command is neither a port, nor a forward, nor a cycle.
  const cycle = { open: ['/bin/x'], close: undefined, closeAfter: 1 };
  assert.equal(decided({ cycle }, commandRequest('id')), 'command-off');
  assert.equal(decided({ ...on, cycle }, commandRequest('id')), 'nobody: ["id"]');
  assert.equal(decided({ ...on, requireUser: 'eve' }, commandRequest('id')), 'user');
});

test('cycles take the place of the grant, with the first port and whatever ports are open', () => {
  const cycle = { open: ['/bin/x'], close: undefined, closeAfter: 1 };
  const two = request({ ports: ports('udp/53 tcp/22'), timeout: 60, message: 3 });
  const expected = 'cycle of runner for 192.0.2.1 udp/53 60s';
  assert.equal(decided({ cycle, cycleUser: 'runner', openPorts: [], restrictPorts: ports('udp/53') }, two), expected);
  assert.equal(decided({ cycle, requireUser: 'eve' }, two), 'user');
  assert.equal(decided({ cycle }, natRequest('10.0.0.5', 22)), 'nat-off');
});

test('NAT: each direction must be on; what is forwarded is the first port', () => {
  const nat = (over: Partial<FwknopNat>): Partial<FwknopStanza> => ({
    nat: { forward: false, local: false, force: undefined, masquerade: false, ...over },
  });
  const force = { address: address('10.0.0.9'), port: 2222 };
  const forward = natRequest('10.0.0.5', 22, { ports: ports('tcp/8022 tcp/8023') });
  const name = natRequest('inside.example', 22);
  const local = natRequest('203.0.113.200', 8080, { message: 5, ports: ports('tcp/80') });
  const cases: readonly [Partial<FwknopStanza>, FwknopFrame, string][] = [
    [nat({}), forward, 'nat-off'],
    [nat({ local: true }), forward, 'nat-off'],
    [nat({ forward: true }), forward, '192.0.2.1/32 tcp/8022 30s to 10.0.0.5 22'],
    [nat({ forward: true }), { ...forward, message: 4, timeout: 5 }, '192.0.2.1/32 tcp/8022 5s to 10.0.0.5 22'],
    [nat({ forward: true, masquerade: true }), forward, '192.0.2.1/32 tcp/8022 30s to 10.0.0.5 22 masked'],
    [nat({ forward: true }), name, '192.0.2.1/32 tcp/22 30s to inside.example 22'],
    [nat({ forward: true }), local, 'nat-off'],
    // What the client calls this host does not matter.
    [nat({ local: true }), local, '192.0.2.1/32 tcp/80 30s to 198.51.100.1 8080'],
    [
      nat({ local: true, masquerade: true }),
      { ...local, message: 6, timeout: 9 },
      '192.0.2.1/32 tcp/80 9s to 198.51.100.1 8080',
    ],
    [nat({ force }), request(), '192.0.2.1/32 tcp/22 30s to 10.0.0.9 2222'],
    [nat({ force, forward: true }), forward, '192.0.2.1/32 tcp/8022 30s to 10.0.0.9 2222'],
    [nat({ force }), local, '192.0.2.1/32 tcp/80 30s to 10.0.0.9 2222'],
    [{ ...nat({ forward: true }), openPorts: ports('tcp/8022') }, forward, '192.0.2.1/32 tcp/8022 30s to 10.0.0.5 22'],
    [{ ...nat({ forward: true }), openPorts: ports('tcp/22') }, forward, 'ports'],
    [{ ...nat({ force }), restrictPorts: ports('tcp/22') }, request(), 'ports'],
    [nat({ forward: true }), request(), '192.0.2.1/32 tcp/22 30s'],
  ];
  for (const [over, frame, expected] of cases) assert.equal(decided(over, frame), expected);
});

test('no stanza gives a port that it does not name, or more time than it may, whatever is asked', () => {
  const port = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    port: fc.integer({ min: 1, max: 6 }),
  });
  const list = fc.array(port, { maxLength: 5 });
  let granted = 0;
  fc.assert(
    fc.property(
      fc.option(list, { nil: undefined }),
      list,
      list,
      fc.nat(100),
      (openPorts, restrictPorts, asked, timeout) => {
        const over = { openPorts, restrictPorts, seconds: 20 as Seconds, maxSeconds: 40 as Seconds };
        const result = decideStanza(stanza('s', over), request({ ports: asked, timeout }));
        if (!result.ok) return;
        granted++;
        assert.ok(result.value.kind === 'grant' && result.value.seconds <= 40);
        const has = (of: typeof asked, it: (typeof asked)[number]): boolean =>
          of.some((one) => one.port === it.port && one.protocol === it.protocol);
        for (const it of result.value.endpoints) {
          assert.ok(has(asked, it) && !has(restrictPorts, it) && (openPorts === undefined || has(openPorts, it)));
        }
        assert.ok(asked.every((it) => has([...(result.value.kind === 'grant' ? result.value.endpoints : [])], it)));
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(granted > 30, String(granted));
});

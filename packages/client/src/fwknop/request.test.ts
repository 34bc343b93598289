import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '@postern/protocol';
import { decodeFwknopPlaintext, FWKNOP_DIGESTS, fwknopPlaintext } from '@postern/protocol/fwknop';
import { PersonError } from '@postern/terminal';
import { parseFwknopLine } from './command-line.ts';
import { checkSize, fwknopMessage, isExtended, userOf } from './message.ts';
import { allowedOf, fwknopRequest, offsetOf, timeoutOf } from './request.ts';
import { layered, type Settings } from './variables.ts';
import { fwknopWay } from './way.ts';

const settings = (...argv: string[]): Settings => layered(parseFwknopLine(argv).assignments);
/** "Random" numbers for tests. */
const half = (below: number): number => Math.floor(below / 2);
/** Type of message, ports and NAT in the form in which fwknop's own --test shows them. */
function asked(...argv: string[]): string {
  const request = fwknopRequest(settings(...argv), half);
  if (request.kind === 'command') return `command ${request.command}`;
  const ports = request.ports.map(({ protocol, port }) => `${protocol}/${port}`).join(',');
  return 'nat' in request
    ? `${request.kind} ${ports} ${request.nat.host},${request.nat.port}`
    : `${request.kind} ${ports}`;
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof PersonError, String(error));
    return `${error.message} | ${error.hint ?? ''}`;
  }
  assert.fail('it was taken');
}

test('requests are made as the client of fwknop 2.6.10 makes them', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['-A tcp/22', 'access tcp/22'],
    ['-A tcp/22,udp/53', 'access tcp/22,udp/53'],
    ['-A tcp/22 -N 10.0.0.5:80', 'nat-access tcp/22 10.0.0.5,80'],
    ['-A tcp/22 -N 10.0.0.5,80', 'nat-access tcp/22 10.0.0.5,80'],
    ['-A tcp/22 -N 10.0.0.5', 'nat-access tcp/22 10.0.0.5,22'],
    ['-A tcp/22,tcp/23 -N 10.0.0.5:80', 'nat-access tcp/22,tcp/23 10.0.0.5,80'],
    ['-A tcp/22 -N 10.0.0.5 --nat-port 5000', 'nat-access tcp/5000 10.0.0.5,22'],
    ['-A tcp/22 --nat-port 5000', 'access tcp/5000'],
    ['-A tcp/22 --nat-local -D 127.0.0.1', 'local-nat-access tcp/22 127.0.0.1,22'],
    ['-A tcp/22 --nat-local --nat-port 5000 -D gate', 'local-nat-access tcp/5000 gate,22'],
    ['-A tcp/22 --nat-local -N 127.0.0.1:2222 --nat-port 5000', 'local-nat-access tcp/5000 127.0.0.1,2222'],
    ['-A udp/53 --nat-local --nat-rand-port -D ::1', 'local-nat-access udp/37768 ::1,53'],
    ['-A tcp/22 -N [2001:db8::5]:80', 'nat-access tcp/22 2001:db8::5,80'],
    ['-C /bin/true -A tcp/22', 'command /bin/true'],
  ];
  for (const [line, expected] of rows) assert.equal(asked(...line.split(' ')), expected, line);
});

test('requests that no server would read are refused with what to do', () => {
  const said = (line: string): string => refusal(() => asked(...line.split(' ')));
  assert.match(said('-s'), /what shall be opened\? -A says it/);
  for (const ports of ['icmp/8', 'tcp/0', 'tcp/65536', 'TCP/22', 'tcp/22,', 'tcp/1-5', 'none/0', 'tcp']) {
    assert.match(said(`-A ${ports}`), /-A: tcp\/PORT or udp\/PORT, parted by commas expected/, ports);
  }
  assert.match(said('-A tcp/1,tcp/2 -N a:1 --nat-port 5'), /go with one port of -A/);
  assert.match(said('-C x -N 10.0.0.5:80'), /-C does not go with -N/);
  for (const nat of ['a:0', 'a:b:c', '10.0.0.5:', ':80', `${'a'.repeat(71)}:80`, 'a/b:80', '::1:22:x']) {
    assert.match(said(`-A tcp/22 -N ${nat}`), /-N: HOST, HOST:PORT or HOST,PORT/, nat);
  }
});

test('for whom, how long and when', () => {
  assert.equal(allowedOf(settings('-s')), 'source');
  assert.equal(allowedOf(settings('-a', '0.0.0.0')), 'source');
  assert.equal(allowedOf(settings('-R')), 'resolve');
  const address = allowedOf(settings('-a', '192.0.2.7'));
  assert.ok(address instanceof Uint8Array);
  assert.equal(formatAddress(address), '192.0.2.7');
  assert.match(
    refusal(() => allowedOf(settings('-A', 'tcp/22'))),
    /-a ADDRESS, -R .* or -s/,
  );
  assert.match(
    refusal(() => allowedOf(settings('-a', '1.2.3'))),
    /-a: an address, `source` or `resolve` expected/,
  );
  assert.equal(timeoutOf(settings('-f', '65536')), 65_536);
  assert.match(
    refusal(() => timeoutOf(settings('-f', '65537'))),
    /-f: seconds from 0 to 65536 expected/,
  );
  for (const [text, seconds] of [
    ['5', 5],
    ['2sec', 2],
    ['3m', 180],
    ['3min', 180],
    ['2H', 7_200],
    ['1days', 86_400],
  ] as const) {
    assert.equal(offsetOf(settings('--time-offset-plus', text)), seconds);
    assert.equal(offsetOf(settings('--time-offset-minus', text)), -seconds);
  }
  assert.match(
    refusal(() => offsetOf(settings('--time-offset-plus', '3x'))),
    /s, min, h or d/,
  );
  assert.match(
    refusal(() => offsetOf(settings('--time-offset-plus', '65537'))),
    /65536/,
  );
});

test('ways that do not go together are refused', () => {
  const way = (line: string): ReturnType<typeof fwknopWay> => fwknopWay(settings(...line.split(' ')), half);
  assert.deepEqual([way('-D a').transport, way('-D a').port], ['udp', 62_201]);
  assert.equal(way('-r').port, 33_280);
  assert.equal(way('-P TCP').transport, 'tcp');
  assert.deepEqual(
    [way('-H proxy:3128').transport, way('-H proxy:3128').proxy],
    ['http', { host: 'proxy', port: 3128 }],
  );
  assert.match(
    refusal(() => way('-Q 192.0.2.7')),
    /-Q goes with -P udpraw/,
  );
  assert.match(
    refusal(() => way('--icmp-type 8')),
    /go with -P icmp/,
  );
  assert.match(
    refusal(() => way('-P smoke')),
    /-P: one of udp, tcp/,
  );
  assert.match(
    refusal(() => way('-D a/b')),
    /-D: a host name or an address expected/,
  );
  assert.match(
    refusal(() => way('-H a:b:c')),
    /-H: HOST or HOST:PORT expected/,
  );
  assert.match(
    refusal(() => way('-p 0')),
    /-p: a port from 1 to 65535 expected/,
  );
});

test("the user's name comes from where fwknop takes it", () => {
  const system = (): string => 'sys';
  assert.equal(userOf({ value: 'me', from: '-U' }, { SPOOF_USER: 'a' }, system).name, 'me');
  assert.equal(userOf(undefined, { SPOOF_USER: 'a', LOGNAME: 'b' }, system).name, 'a');
  assert.equal(userOf(undefined, { SPOOF_USER: '', LOGNAME: 'b' }, system).name, 'b');
  assert.equal(userOf(undefined, { USER: 'c' }, system).name, 'sys');
  const nobody = (): string => {
    throw new Error('no such user');
  };
  assert.equal(userOf(undefined, { USER: 'c' }, nobody).name, 'c');
  assert.equal(userOf(undefined, {}, nobody).name, 'NO_USER');
});

const message = (name: string, ...argv: string[]): ReturnType<typeof fwknopMessage> =>
  fwknopMessage(
    fwknopRequest(settings(...argv), half),
    { source: undefined, user: { name, from: '-U' }, time: 1, timeout: 0 },
    half,
  );

test('what a server would drop is not made', () => {
  assert.match(
    refusal(() => message('a'.repeat(49), '-A', 'tcp/22')),
    /-U has 49 characters, and a server reads 48/,
  );
  assert.match(
    refusal(() => message('DOMAIN\\me', '-A', 'tcp/22')),
    /-U cannot be in a packet/,
  );
  const ports = Array.from({ length: 24 }, () => 'tcp/65535').join(',');
  assert.match(
    refusal(() => message('a', '-A', ports)),
    /a server reads 184 \| several packets/,
  );
  assert.match(
    refusal(() => message('a', '-C', 'x'.repeat(185))),
    /has 185 characters, and a server reads 184/,
  );
  assert.match(
    refusal(() => {
      checkSize(400, 'access', 43);
    }),
    /takes one of 400 and more for GPG/,
  );
  assert.match(
    refusal(() => {
      checkSize(390, 'access', 0);
    }),
    /has 400 characters/,
  );
  assert.doesNotThrow(() => {
    checkSize(432, 'command', 43);
  });
  assert.match(
    refusal(() => {
      checkSize(433, 'command', 43);
    }),
    /a shorter command/,
  );
  assert.match(
    refusal(() => {
      checkSize(1_501, 'gpg', 0);
    }),
    /a server takes 1500/,
  );
  assert.equal(isExtended(message('a', '-A', 'tcp/22', '-N', '[::1]:22')), true);
  assert.equal(isExtended(message('a', '-A', 'tcp/22', '-N', 'a:22')), false);
});

test('every message that is made is read back by the codec', () => {
  const word = fc.stringMatching(/^[ -~]{0,50}$/);
  const port = fc.integer({ min: 0, max: 70_000 });
  const option = fc.oneof(
    port.map((n) => ['-A', `tcp/${n}`]),
    fc.array(port, { maxLength: 30 }).map((list) => ['-A', list.map((n) => `udp/${n}`).join(',')]),
    fc.tuple(word, port).map(([host, n]) => ['-N', `${host}:${n}`]),
    fc.constantFrom(['--nat-local'], ['--nat-rand-port'], ['-D', '127.0.0.1']),
    port.map((n) => ['--nat-port', String(n)]),
    word.map((text) => ['-C', text]),
  );
  fc.assert(
    fc.property(fc.array(option, { maxLength: 4 }), word, port, (options, name, timeout) => {
      let made;
      try {
        const request = fwknopRequest(settings('-f', String(timeout), ...options.flat()), half);
        const stamp = {
          source: undefined,
          user: { name, from: '-U' },
          time: 1_700_000_000,
          timeout: timeoutOf(settings('-f', String(timeout))),
        };
        made = fwknopMessage(request, stamp, half);
      } catch (error) {
        assert.ok(error instanceof PersonError, String(error));
        return;
      }
      for (const digest of FWKNOP_DIGESTS) {
        const read = decodeFwknopPlaintext(Buffer.from(fwknopPlaintext(made, digest), 'latin1'));
        assert.ok(read.ok, JSON.stringify(made));
        assert.deepEqual(read.value.message, made);
      }
    }),
    { numRuns: 500 },
  );
});

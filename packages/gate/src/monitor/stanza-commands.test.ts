import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Seconds, UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { FwknopCycle, FwknopStanza } from '../config/fwknop/model.ts';
import type { CommandOrder, CommandReport } from '../line/command-line.ts';
import { commandUser, fillPlaceholders } from './door-commands.ts';
import { decideStanza } from './fwknop-policy.ts';
import { address, commandRequest, configured, NOW, ports, request, stanza } from './fwknop.fixture.ts';
import { checkStanzaCommands, runnable, stanzaCommands } from './stanza-commands.ts';
import { TimedCommands, type Argv, type Timed } from './timed-commands.ts';
import type { FwknopFrame } from '../line/fwknop-codec.ts';

type Once = Parameters<TimedCommands['once']>[0];

/** What would be run of a request. */
function ordered(of: FwknopStanza, frame: FwknopFrame): { started: Timed[]; once: Once[] } {
  const started: Timed[] = [];
  const once: Once[] = [];
  const commands = stanzaCommands(
    { start: (timed) => started.push(timed), once: (one) => once.push(one) },
    () => (NOW * 1_000_000 + 999_999) as UnixMicros,
  );
  const decision = decideStanza(of, frame);
  assert.ok(decision.ok && decision.value.kind !== 'grant', 'nothing is run');
  commands.run(of, frame, decision.value);
  return { started, once };
}

const EVERYTHING = [
  '{source}',
  '{packet_source}',
  '{destination}',
  '{port}',
  '{protocol}',
  '{timeout}',
  '{client_timeout}',
];
const cycle: FwknopCycle = {
  open: ['/bin/{port}', ...EVERYTHING, '{door}{source}', '{{port}}', '{PORT}', '{constructor}', '{__proto__}', '$port'],
  close: ['/bin/close', '{source}'],
  closeAfter: 2.5,
};

test('the arguments of a cycle, and not its program, get what was asked for; nothing else is taken for a placeholder', () => {
  const frame = request({ asked: address('203.0.113.9'), ports: ports('udp/53 tcp/22'), timeout: 60, message: 3 });
  const { started, once } = ordered(stanza('alice', { cycle, cycleUser: 'nobody', timeLimit: 7 }), frame);
  const values = ['203.0.113.9', '192.0.2.1', '198.51.100.1', '53', '17', String(NOW + 60), '60'];
  assert.deepEqual(once, []);
  assert.deepEqual(started, [
    {
      owner: 'stanza alice',
      source: '203.0.113.9',
      start: ['/bin/{port}', ...values, '{door}203.0.113.9', '{53}', '{PORT}', '{constructor}', '{__proto__}', '$port'],
      stop: ['/bin/close', '203.0.113.9'],
      stopAfter: 2_500_000,
      userName: 'nobody',
      timeLimit: 7000,
    },
  ]);
});

test('where no time is asked for it is the stanza’s; and a cycle may have no end', () => {
  const of = stanza('alice', { cycle: { ...cycle, close: undefined }, seconds: 45 as Seconds });
  const [timed] = ordered(of, request({ asked: undefined })).started;
  assert.deepEqual(timed?.start?.slice(1, 8), [
    '192.0.2.1',
    '192.0.2.1',
    '198.51.100.1',
    '22',
    '6',
    String(NOW + 45),
    '0',
  ]);
  assert.equal(timed.stop, undefined);
  const six = {
    family: 6,
    source: address('2001:db8::7'),
    destination: address('2001:db8::1'),
    asked: undefined,
  } as const;
  assert.deepEqual(ordered(of, request(six)).started[0]?.start?.slice(1, 4), [
    '2001:db8::7',
    '2001:db8::7',
    '2001:db8::1',
  ]);
});

test('a command message runs as it came, with no placeholder filled', () => {
  const of = stanza('alice', { commandUser: 'nobody', timeLimit: 3 });
  const { started, once } = ordered(of, commandRequest('/bin/echo {source} "$HOME; id"'));
  assert.deepEqual(started, []);
  assert.deepEqual(once, [
    { owner: 'stanza alice', argv: ['/bin/echo', '{source}', '$HOME; id'], userName: 'nobody', timeLimit: 3000 },
  ]);
});

test('what a value holds is never expanded once more', () => {
  const values = { a: '{b}', b: '{a}$&$1', c: '' };
  assert.deepEqual(fillPlaceholders(['{a}', '{a}{b}', '{c}', '{d}', '{a'], values), [
    '{a}',
    '{b}{a}$&$1',
    '',
    '{d}',
    '{a',
  ]);
  assert.equal(fillPlaceholders([], values), undefined);
});

/** Commands of stanzas over a runner that takes orders, or none. */
class Runner implements Disposable {
  readonly orders: Omit<CommandOrder, 'id'>[] = [];
  readonly said: string[] = [];
  readonly done: ((report: CommandReport) => void)[] = [];
  readonly state = new Map<string, Uint8Array>();
  busy = false;
  readonly commands: TimedCommands;

  constructor() {
    this.commands = new TimedCommands({
      order: (order, done) => {
        if (!this.busy) {
          this.orders.push(order);
          this.done.push(done);
        }
        return !this.busy;
      },
      store: { meta: (name) => this.state.get(name), setMeta: (name, value) => void this.state.set(name, value) },
      clock: () => (NOW * 1_000_000) as UnixMicros,
      log: (level, what, fields) => void this.said.push(`${level} ${what} ${JSON.stringify(fields)}`),
      user: commandUser,
      boot: 'boot 1',
    });
  }

  once(argv: Argv, userName = 'root'): void {
    this.commands.once({ owner: 'stanza alice', argv, userName, timeLimit: 1000 });
  }

  [Symbol.dispose](): void {
    this.commands[Symbol.dispose]();
  }
}

test('a command of a message is run as often as it is asked for, and nothing is kept of it', () => {
  using runner = new Runner();
  runner.once(['id']);
  runner.once(['id']);
  assert.deepEqual(runner.orders, [
    { argv: ['id'], user: undefined, timeLimit: 1000 },
    { argv: ['id'], user: undefined, timeLimit: 1000 },
  ]);
  assert.equal(runner.state.size, 0);
  runner.done[0]?.({ id: 0, code: 0, how: 'ended', output: ' uid=0\n' });
  runner.done[1]?.({ id: 1, code: -1, how: 'time-limit', output: '' });
  assert.deepEqual(runner.said, [
    'info the requested command ended {"stanza":"alice","output":"uid=0"}',
    'error the requested command failed {"stanza":"alice","how":"time-limit","code":-1,"program":"id"}',
  ]);
});

test('what cannot be run is told, and throws nothing: nobody takes it, or there is no such user', () => {
  using runner = new Runner();
  runner.busy = true;
  runner.once(['id']);
  runner.busy = false;
  runner.once(['id'], 'nobody-of-that-name');
  assert.deepEqual(runner.orders, []);
  assert.match(
    runner.said[0] ?? '',
    /^error a command was not run .*"stanza":"alice","error":"too many commands wait"/,
  );
  assert.match(runner.said[1] ?? '', /there is no user/);
});

test('stanzas whose user or program is not there are left out, or refused', () => {
  const good = stanza('good', { commandUser: 'nobody', cycle: { ...cycle, open: ['/bin/sh'], close: ['/bin/sh'] } });
  const bad = [
    stanza('user', { commandUser: 'nobody-of-that-name' }),
    stanza('cycle-user', {
      cycle: { ...cycle, open: ['/bin/sh'], close: undefined },
      cycleUser: 'nobody-of-that-name',
    }),
    stanza('program', { cycle: { ...cycle, open: ['/bin/none-of-that-name'], close: undefined } }),
    stanza('close', { cycle: { ...cycle, open: ['/bin/sh'], close: ['sh'] } }),
  ];
  // Without a cycle nobody runs as that user.
  const unused = stanza('unused', { cycleUser: 'nobody-of-that-name' });
  checkStanzaCommands({ stanzas: [good, unused] });
  for (const one of bad)
    assert.throws(
      () => {
        checkStanzaCommands({ stanzas: [one] });
      },
      PersonError,
      one.name,
    );
  const told: string[] = [];
  const left = runnable(configured([bad[0] ?? good, good, ...bad.slice(1), unused]), (error) =>
    told.push(error.message),
  );
  assert.deepEqual([left.stanzas.map(({ name }) => name), told.length], [['good', 'unused'], 4]);
  assert.ok(
    told.every((text, index) => text.includes(`fwknop.stanzas.${bad[index]?.name ?? ''}`)),
    told.join('\n'),
  );
  const whole = configured([good]);
  assert.equal(
    runnable(whole, () => assert.fail()),
    whole,
  );
});

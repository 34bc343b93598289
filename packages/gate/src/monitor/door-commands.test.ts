import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, type UnixMicros } from '@postern/protocol';
import type { Door } from '../config/model.ts';
import type { CommandOrder, CommandReport } from '../line/command-line.ts';
import { commandUser, DoorCommands } from './door-commands.ts';
import { TimedCommands } from './timed-commands.ts';

const address = (text: string): Uint8Array => parseAddress(text) ?? assert.fail(text);
const ADA = { family: 4, source: address('192.0.2.1'), destination: address('198.51.100.1') } as const;
const door: Door = {
  name: 'front',
  ...{ steps: [], oneTime: undefined, timeout: 1, minGap: 0, maxGap: 1, misses: 0 },
  ...{ anyOrder: false, target: undefined, opens: undefined },
  commands: {
    ...{ start: ['/bin/start', '{source}'], stop: ['/bin/stop', '{source}'], start6: undefined, stop6: undefined },
    ...{ user: 'root', stopAfter: 3600, timeLimit: 10 },
  },
};

/** A state that outlives the commands, and a runner that takes orders and does nothing. */
class Bench {
  readonly orders: (readonly string[])[] = [];
  readonly state = new Map<string, Uint8Array>();
  /** What the runner reports of each order, once somebody wants to hear it. */
  readonly reports: ((how: CommandReport['how']) => void)[] = [];
  busy = false;
  now = 1_800_000_000_000_000;

  commands(boot: string): DoorCommands & Disposable {
    const order = ({ argv }: Omit<CommandOrder, 'id'>, done: (report: CommandReport) => void): boolean => {
      if (this.busy) return false;
      this.orders.push(argv);
      this.reports.push((how) => {
        done({ id: 0, code: 0, how, output: '' });
      });
      return true;
    };
    const store = {
      meta: (key: string) => this.state.get(key),
      setMeta: (key: string, value: Uint8Array) => void this.state.set(key, value),
    };
    const clock = (): UnixMicros => this.now as UnixMicros;
    const timed = new TimedCommands({ order, store, clock, log: () => undefined, boot, user: commandUser });
    return Object.assign(new DoorCommands(timed), {
      [Symbol.dispose]: () => {
        timed[Symbol.dispose]();
      },
    });
  }

  knock(boot: string, times = 1): void {
    using commands = this.commands(boot);
    for (let time = 0; time < times; time++) commands.start(door, ADA);
  }
}

const START = ['/bin/start', '192.0.2.1'];
const STOP = ['/bin/stop', '192.0.2.1'];

test('the start command is not run twice, also when the daemon was started again', () => {
  const bench = new Bench();
  bench.knock('boot 1', 2);
  bench.knock('boot 1');
  assert.deepEqual(bench.orders, [START]);
});

test('after the host was booted the start command is run again: what it had done is gone', () => {
  const bench = new Bench();
  bench.knock('boot 1');
  bench.knock('boot 2', 2);
  assert.deepEqual(bench.orders, [START, START]);
});

test('a start command that nobody could be told to run is run with the next knock', () => {
  const bench = new Bench();
  using commands = bench.commands('boot 1');
  bench.busy = true;
  commands.start(door, ADA);
  bench.busy = false;
  commands.start(door, ADA);
  assert.deepEqual(bench.orders, [START]);
});

test('a stop command is due until it was run: it is tried again, and kept over a restart, but runs once', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const bench = new Bench();
  const pass = (seconds: number): void => {
    bench.now += seconds * 1_000_000;
    context.mock.timers.tick(seconds * 1000);
  };
  {
    using commands = bench.commands('boot 1');
    commands.start(door, ADA);
    bench.busy = true;
    pass(3600);
    assert.deepEqual(bench.orders, [START], 'nobody takes it');
    bench.busy = false;
    pass(10);
    assert.deepEqual(bench.orders, [START, STOP]);
    bench.reports[1]?.('not-started');
    pass(10);
    assert.deepEqual(bench.orders, [START, STOP, STOP], 'the runner died');
  }
  // We die before it is reported.
  using again = bench.commands('boot 1');
  pass(0);
  assert.deepEqual(bench.orders, [START, STOP, STOP, STOP]);
  pass(3600);
  bench.reports[3]?.('ended');
  pass(3600);
  again.start(door, ADA);
  assert.deepEqual(bench.orders, [START, STOP, STOP, STOP, START], 'and then it is over');
});

test('who knocks while the stop command runs is let in again, and closed again', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const bench = new Bench();
  using commands = bench.commands('boot 1');
  const pass = (seconds: number): void => {
    bench.now += seconds * 1_000_000;
    context.mock.timers.tick(seconds * 1000);
  };
  commands.start(door, ADA);
  pass(3600);
  commands.start(door, ADA);
  bench.reports[1]?.('ended');
  assert.deepEqual(bench.orders, [START, STOP, START]);
  pass(3600);
  assert.deepEqual(bench.orders, [START, STOP, START, STOP]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, type UnixMicros } from '@postern/protocol';
import type { Door } from '../config/model.ts';
import type { CommandOrder } from '../line/command-line.ts';
import { DoorCommands } from './door-commands.ts';

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
  busy = false;

  commands(boot: string): DoorCommands {
    const order = ({ argv }: Omit<CommandOrder, 'id'>): boolean => {
      if (this.busy) return false;
      this.orders.push(argv);
      return true;
    };
    const store = {
      meta: (key: string) => this.state.get(key),
      setMeta: (key: string, value: Uint8Array) => void this.state.set(key, value),
    };
    const clock = (): UnixMicros => 1_800_000_000_000_000 as UnixMicros;
    return new DoorCommands({ order, store, clock, log: () => undefined, boot });
  }

  knock(boot: string, times = 1): void {
    using commands = this.commands(boot);
    for (let time = 0; time < times; time++) commands.start(door, ADA);
  }
}

const START = ['/bin/start', '192.0.2.1'];

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

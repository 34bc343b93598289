/** The floor: the smallest program that sees the packet and does one write to nftables, before a world of many addresses. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import process from 'node:process';
import { Namespace } from '../../namespace.ts';
import { processorTime } from '../../processor-time.ts';
import { KNOCK_PORT, SERVICE_PORT, type Contender } from './contender.ts';
import { proportionalMemory } from '../../proportional-memory.ts';
import { startService } from './service.ts';
import { joinWorld, serverIn, sourceIn } from './sources.ts';

const PROGRAM = resolve(import.meta.dirname, '../../../../gate/src/testing/floor.ts');
/** Of a knock of suite 1. */
const SIZE = 352;

/** Starts it; a contender that ends with `stack`. */
export async function startFloor(
  stack: AsyncDisposableStack,
  world: Namespace,
  network: string,
  sources: number,
): Promise<Contender> {
  const namespace = stack.use(new Namespace('floor'));
  joinWorld(namespace, world, network, sources);
  stack.use(await startService(namespace));
  const program = ['--conditions=source', PROGRAM, String(KNOCK_PORT), String(SERVICE_PORT)];
  let child: ChildProcess | undefined;
  const daemon = {
    async stop(): Promise<void> {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    async start(): Promise<void> {
      const started = namespace.spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'] });
      child = started;
      const failed = once(started, 'exit').then(() => Promise.reject(new Error('the floor ended')));
      failed.catch(() => undefined);
      if (started.stdout !== null) await Promise.race([once(started.stdout, 'data'), failed]);
    },
  };
  stack.defer(() => daemon.stop());
  await daemon.start();
  const gate = serverIn(network);
  const payload = Buffer.alloc(SIZE, 1).toString('base64');
  const pids = (): number[] => [child?.pid ?? 0];
  return {
    name: 'floor',
    gate,
    network,
    looks: 0,
    knock: (index) => ({
      from: sourceIn(network, index),
      gate,
      way: [{ protocol: 'udp', port: KNOCK_PORT, payload }],
      rest: 0,
    }),
    cpu: () => processorTime(pids()),
    memory: () => proportionalMemory(pids()),
    close: () => undefined,
    daemon,
  };
}

/** The floor: the smallest program that sees the packet and does one write to nftables, before a world of many addresses. */
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
  const arguments_ = ['--conditions=source', PROGRAM, String(KNOCK_PORT), String(SERVICE_PORT)];
  const child = namespace.spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'inherit'] });
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const failed = once(child, 'exit').then(() => Promise.reject(new Error('the floor ended')));
  failed.catch(() => undefined);
  if (child.stdout !== null) await Promise.race([once(child.stdout, 'data'), failed]);
  const gate = serverIn(network);
  const payload = Buffer.alloc(SIZE, 1).toString('base64');
  const pids = [child.pid ?? 0];
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
    cpu: () => processorTime(pids),
    memory: () => proportionalMemory(pids),
    close: () => undefined,
  };
}

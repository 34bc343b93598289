/** Junk that is thrown at a gate from a process of its own. */
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import type { Arena } from './arena.ts';

/** SYNs at the first port of knockd's sequence, base64 of the length of fwknop's packets, or random bytes of the length of Postern's. */
export type JunkKind = 'syn' | 'base64' | 'bytes';

/** What to throw. */
export interface JunkPlan {
  /** IPv4. */
  readonly to: string;
  readonly kind: JunkKind;
  /** IPv4 addresses that it says it comes from, in turn; from anywhere when there are none. */
  readonly sources: readonly string[];
  readonly perSecond: number;
  /** It ends by itself after so long. */
  readonly seconds: number;
}

/** Throws until it is disposed; resolves when it has begun. */
export async function throwJunk(arena: Arena, plan: JunkPlan): Promise<AsyncDisposable> {
  const script = join(import.meta.dirname, 'junk-process.ts');
  const child = arena.world.spawn(process.execPath, ['--conditions=source', script, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await Promise.race([
    once(child.stdout ?? process.stdin, 'data'),
    ended.then(() => {
      throw new Error('the junk did not begin');
    }),
  ]);
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

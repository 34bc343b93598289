import { lookup } from 'node:dns/promises';
import { parseAddress } from '@postern/protocol';

/** How long the answer is waited for, in milliseconds: a request that is carried out later would surprise. */
const PATIENCE = 2_000;

/** Questions at a time: each takes one of the few threads that files are read with, too. */
const MOST_ASKED = 2;
let asked = 0;

/** Asks the host's resolver for an address of that family: 16 bytes, IPv4 as ::ffff:a.b.c.d; undefined where there is none in time. */
export async function lookUp(name: string, family: 4 | 6): Promise<Uint8Array | undefined> {
  if (asked >= MOST_ASKED) return undefined;
  asked++;
  const question = lookup(name, { family }).finally(() => asked--);
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => {
    late.resolve(undefined);
  }, PATIENCE);
  try {
    const found = await Promise.race([question, late.promise]);
    return found === undefined ? undefined : parseAddress(found.address);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

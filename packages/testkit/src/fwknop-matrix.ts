/** Plays the cells of fwknop's table: asks for every port, and looks by real connections when each opens and when it closes again. */
import type { FwknopUse } from './fwknop-cell.ts';
import type { FwknopClient } from './fwknop-client.ts';
import type { FwknopGround } from './fwknop-ground.ts';
import { inNamespace } from './in-namespace.ts';
import { tcpBanner } from './tcp-answer.ts';

/** What became of a cell. */
export interface FwknopOutcome {
  readonly use: FwknopUse;
  /** What the client said when it failed; empty otherwise. */
  readonly refusal: string;
  /** Milliseconds from the client's end until the right service answered, and until it did not any more; undefined: never. */
  readonly opened: number | undefined;
  readonly closed: number | undefined;
}

/** Milliseconds: to look, to rest before the next look, until a port must be open, until it must be closed again. */
const [LOOK, REST, OPENS, CLOSES] = [250, 50, 15_000, 20_000] as const;

const sleep = (milliseconds: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Asks for all of `uses`, `atOnce` clients at the same time, and waits until every port that opened is closed again. `open` names what answered
 * to sources that must have nothing: before the packets to those that ask for it, and afterwards to a stranger.
 */
export async function playMatrix(
  ground: FwknopGround,
  uses: readonly FwknopUse[],
  client: FwknopClient,
  atOnce: number,
): Promise<{ readonly outcomes: readonly FwknopOutcome[]; readonly open: readonly string[] }> {
  const answer = ({ target }: FwknopUse, localAddress: string): Promise<string | undefined> =>
    tcpBanner({ host: ground.places.gate, port: target.port, localAddress }, LOOK);
  const answered = async (from: (use: FwknopUse) => string): Promise<string[]> => {
    const all = await Promise.all(uses.map(async (use) => ({ use, said: await answer(use, from(use)) })));
    return all.filter(({ said }) => said !== undefined).map(({ use }) => `${use.name} for ${from(use)}`);
  };

  const follow = async (use: FwknopUse): Promise<FwknopOutcome> => {
    const sent = performance.now();
    const until = async (open: boolean, deadline: number): Promise<number | undefined> => {
      while (performance.now() - sent < deadline) {
        if (((await answer(use, use.source)) === use.target.banner) === open) return performance.now() - sent;
        await sleep(REST);
      }
      return undefined;
    };
    const opened = await until(true, OPENS);
    const closed = opened === undefined ? undefined : await until(false, opened + CLOSES);
    return { use, refusal: '', opened, closed };
  };

  return await inNamespace(ground.world, async () => {
    const early = await answered((use) => use.source);
    const waiting = [...uses];
    const following: Promise<FwknopOutcome>[] = [];
    const sendAll = async (): Promise<void> => {
      for (let use = waiting.shift(); use !== undefined; use = waiting.shift()) {
        const { code, out, err } = await client.run(...use.request().args);
        const refused = { use, refusal: `${out}${err}`.trim(), opened: undefined, closed: undefined };
        following.push(code === 0 ? follow(use) : Promise.resolve(refused));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, sendAll));
    const strangers = await answered(() => ground.stranger);
    return { outcomes: await Promise.all(following), open: [...early, ...strangers] };
  });
}

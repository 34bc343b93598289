/** Debian's fwknopd and `fwknop`: sniffing and AES in CBC mode, as they come, and with an HMAC, which their manual recommends. */
import { randomBytes } from 'node:crypto';
import { FwknopClient } from '../../fwknop-client.ts';
import { Fwknopd } from '../../fwknopd.ts';
import { Arena, GATE, GRANT_SECONDS, SERVICE_PORT } from './arena.ts';
import { hideByIptables, type Contestant } from './contestant.ts';

/** Starts it in an arena of its own. */
export async function startFwknopd(): Promise<Contestant> {
  await using stack = new AsyncDisposableStack();
  const arena = stack.use(await Arena.build());
  hideByIptables(arena, SERVICE_PORT);
  const port = `tcp/${String(SERVICE_PORT)}`;
  const keys = `KEY_BASE64 ${randomBytes(32).toString('base64')}\nHMAC_KEY_BASE64 ${randomBytes(64).toString('base64')}\n`;
  const access = `SOURCE ANY\n${keys}OPEN_PORTS ${port}\nREQUIRE_SOURCE_ADDRESS Y\nFW_ACCESS_TIMEOUT ${String(GRANT_SECONDS)}\n`;
  stack.use(await Fwknopd.start(arena.gateSide, { access, capture: { device: arena.wire.here } }));
  const client = stack.use(new FwknopClient(arena.world));
  client.configure(`[gate]\nACCESS ${port}\nUSE_HMAC Y\n${keys}`);
  const { out } = await client.run('--version');
  const started = stack.move();
  return {
    version: `fwknopd ${/\d[\d.]*/.exec(out)?.[0] ?? ''}`,
    arena,
    junk: 'base64',
    knock: async (from) => {
      const host = from.includes(':') ? GATE[6] : GATE[4];
      return (await client.run('-n', 'gate', '-D', host, '-a', from, '--no-save-args')).code === 0;
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

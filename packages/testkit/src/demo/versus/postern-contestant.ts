/** posternd and `postern`: native single packet authorization, as `posternd init` sets it up. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GateFiles, PROGRAMS, runProgramIn } from '../../gate-process.ts';
import { Arena, GATE, GRANT_SECONDS, SERVICE_PORT } from './arena.ts';
import type { Contestant } from './contestant.ts';

/** Starts it in an arena of its own. */
export async function startPostern(): Promise<Contestant> {
  await using stack = new AsyncDisposableStack();
  const arena = stack.use(await Arena.build());
  const gate = stack.use(new GateFiles(arena.gateSide));
  const init = gate.command(
    ...['init', '--yes', '--name', 'gate', '--address', GATE[4], '--address', GATE[6]],
    ...['--service', `ssh=tcp/${String(SERVICE_PORT)}`],
    ...['--state', join(gate.directory, 'state'), '--socket', join(gate.runtime, 'posternd.sock')],
  );
  if (init.code !== 0) throw new Error(`posternd init: ${init.err}`);
  writeFileSync(gate.config, readFileSync(gate.config, 'utf8').replace('protect = false', 'protect = true'));
  await gate.start();
  const { invite } = gate.json('user', 'add', 'alice') as { invite: string };
  const home = join(gate.directory, 'home');
  mkdirSync(home, { mode: 0o700 });
  const environment = { XDG_CONFIG_HOME: home };
  const joined = runProgramIn(arena.world, 'postern', ['join', '-', '--name', 'gate'], { input: invite, environment });
  if (joined.code !== 0) throw new Error(`postern join: ${joined.err}`);
  const [program, ...leading] = PROGRAMS.postern;
  const { out } = await arena.run(program, [...leading, '--version']);
  const started = stack.move();
  return {
    version: `Postern ${/\d[\d.]*/.exec(out)?.[0] ?? ''}`,
    arena,
    junk: 'bytes',
    knock: async (from) => {
      const family = from.includes(':') ? '-6' : '-4';
      const words = ['knock', 'gate', family, '--seconds', String(GRANT_SECONDS)];
      return (await arena.run(program, [...leading, ...words], environment)).code === 0;
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** How long `postern knock` takes as a whole process, next to a Node that does nothing. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { GateFiles } from '../gate-process.ts';
import { inNamespace } from '../in-namespace.ts';
import { Namespace } from '../namespace.ts';
import type { Bench } from './bench.ts';
import { round, summarise, type Summary } from './statistics.ts';

const ROUNDS = 100;
/** Not measured: files come into memory, and the gate's compilers do their work. */
const WARM_UP = 10;
/** Knocks of one device at once; the gate allows 64. */
const KNOCKS_OF_A_DEVICE = 50;
const GOAL = 1.5;
const ROOT = resolve(import.meta.dirname, '../../../..');
const GATE = '10.91.0.1';

/** Milliseconds for what a knock waits for the disk: a file and its directory made durable. */
function durableWrite(directory: string): number {
  const begun = performance.now();
  const file = openSync(join(directory, 'durable.new'), 'w');
  writeSync(file, 'x'.repeat(1000));
  fsyncSync(file);
  closeSync(file);
  renameSync(join(directory, 'durable.new'), join(directory, 'durable'));
  const parent = openSync(directory, 'r');
  fsyncSync(parent);
  closeSync(parent);
  return performance.now() - begun;
}

/** Runs a program to its end; milliseconds. */
function timed(program: string, args: readonly string[], cwd: string): number {
  const begun = performance.now();
  const { status, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 60_000 });
  const took = performance.now() - begun;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return took;
}

/** Configures a gate that hides ssh. */
function configure(gate: GateFiles): void {
  const init = ['init', '--yes', '--name', 'gate', '--address', GATE, '--service', 'ssh=tcp/22'];
  const places = ['--state', join(gate.directory, 'state'), '--socket', join(gate.runtime, 'posternd.sock')];
  const { code, err } = gate.command(...init, ...places);
  if (code !== 0) throw new Error(`posternd init: ${err}`);
  // Grants for many connections: of those for one, nobody can have more than 32 at once.
  const [head = ''] = readFileSync(gate.config, 'utf8').split('[services.');
  writeFileSync(gate.config, `${head}[services.ssh]\nports = ["tcp/22"]\nsingle_use = false\nprotect = true\n`);
}

/** What the client's start takes. */
export interface ClientTimes {
  readonly rounds: number;
  readonly node: Summary;
  readonly version: Summary;
  readonly knock: Summary;
  readonly disk: Summary;
}

/** Builds the client as it is shipped; the program. Throws when it has no snapshot to start from. */
export function bundledClient(directory: string): string {
  execFileSync(join(ROOT, 'script/bundle'), [directory], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (!existsSync(join(directory, 'snapshot/client.blob')))
    throw new Error('there is no snapshot, as an installation has it');
  return join(directory, 'postern');
}

/** Measures so many rounds. */
export async function measureClient(say: (line: string) => void, rounds: number): Promise<ClientTimes> {
  using gateSide = new Namespace('gate');
  using deviceSide = new Namespace('device');
  gateSide.connect(deviceSide, [`${GATE}/24`], ['10.91.0.2/24']);
  await using gate = new GateFiles(gateSide);
  const postern = bundledClient(join(gate.directory, 'bundle'));
  configure(gate);
  const count = Math.ceil((rounds + WARM_UP) / KNOCKS_OF_A_DEVICE);
  const devices = Array.from({ length: count }, (_, i) => join(gate.directory, `device${String(i)}`));
  await gate.start();
  const { invite } = gate.json('user', 'add', 'ada') as { invite: string };
  const invites = [invite, ...devices.slice(1).map(() => (gate.json('invite', 'ada') as { invite: string }).invite)];
  const times = { node: [] as number[], version: [] as number[], knock: [] as number[], disk: [] as number[] };
  await inNamespace(deviceSide, () => {
    devices.forEach((device, i) => timed(postern, ['join', invites[i] ?? '', '--config', device], gate.directory));
    say(`${String(rounds)} rounds of node -e 0, postern --version and postern knock …`);
    for (let i = 0; i < WARM_UP + rounds; i++) {
      const device = devices[Math.floor(i / KNOCKS_OF_A_DEVICE)] ?? '';
      const took = {
        node: timed(process.execPath, ['-e', '0'], gate.directory),
        version: timed(postern, ['--version'], gate.directory),
        knock: timed(postern, ['knock', 'gate', '--config', device], gate.directory),
        disk: durableWrite(gate.directory),
      };
      if (i >= WARM_UP) for (const what of ['node', 'version', 'knock', 'disk'] as const) times[what].push(took[what]);
    }
    return Promise.resolve();
  });
  const { node, version, knock, disk } = times;
  return {
    rounds,
    node: summarise(node),
    version: summarise(version),
    knock: summarise(knock),
    disk: summarise(disk),
  };
}

/** The client's start. */
export const client: Bench = {
  name: 'client',
  summary: `\`postern knock\` with its receipt as a whole process, against \`node -e 0\`, ${String(ROUNDS)} rounds`,
  async run(say) {
    const { node, version, knock, disk } = await measureClient(say, ROUNDS);
    const ratio = round(knock.median / node.median);
    const versionRatio = round(version.median / node.median);
    const reached = ratio <= GOAL;
    return {
      ok: true,
      lines: [
        `node -e 0          median ${String(node.median)} ms, min ${String(node.min)} ms`,
        `postern --version  median ${String(version.median)} ms, min ${String(version.min)} ms, ${String(versionRatio)} times node -e 0`,
        `postern knock      median ${String(knock.median)} ms, min ${String(knock.min)} ms, ${String(ratio)} times node -e 0 (goal ${String(GOAL)}: ${reached ? 'reached' : 'not reached'})`,
        `of it for the disk median ${String(disk.median)} ms`,
      ],
      json: {
        bench: 'client',
        rounds: ROUNDS,
        unit: 'ms',
        node,
        version,
        knock,
        disk,
        versionRatio,
        ratio,
        goal: GOAL,
        reached,
      },
    };
  },
};

/**
 * `script/demo --versus [--json] [--tries N]`: knockd, fwknopd and Postern hide the same port side by side, and the same six things happen to each.
 * Every cell of the table is a real run of the real programs, in network namespaces that are made here and removed again.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { namespacesAvailable } from '../../namespace.ts';
import type { Contestant } from './contestant.ts';
import { startFwknopd } from './fwknopd-contestant.ts';
import { startKnockd } from './knockd-contestant.ts';
import { LiveTable } from './live-table.ts';
import { startPostern } from './postern-contestant.ts';
import { TRIALS, type Cell } from './trials.ts';

const TRIES = { usual: 10, most: 20 } as const;

interface Options {
  readonly json: boolean;
  readonly tries: number;
}

/** What is wrong with the command line, or what it says. */
function optionsOf(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { versus: { type: 'boolean' }, json: { type: 'boolean' }, tries: { type: 'string' } },
    });
    const tries = Number(values.tries ?? TRIES.usual);
    if (!Number.isInteger(tries) || tries < 1 || tries > TRIES.most)
      return `--tries wants a number from 1 to ${String(TRIES.most)}, not ${JSON.stringify(values.tries)}`;
    return { json: values.json ?? false, tries };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function fail(message: string, hint: string, code: number): void {
  process.stderr.write(`demo: error: ${message}\ndemo: hint: ${hint}\n`);
  process.exitCode = code;
}

/** How to read the table. */
const READING = [
  'Strangers must stay out, and users get in. The tries are few: numbers vary.',
  'knockd knocks as in its example; fwknopd sniffs, as it comes, with HMAC on.',
  'Numbers that can be repeated: script/bench',
] as const;

async function main({ json, tries }: Options): Promise<void> {
  const begun = performance.now();
  // With --json, standard output belongs to the result.
  const screen = json ? process.stderr : process.stdout;
  const say = (line: string): unknown => screen.write(`${line}\n`);
  say('\nThree ways to hide tcp/22, attacked alike. Every cell is a real run.');
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [];
  for (const start of [startKnockd, startFwknopd, startPostern]) contestants.push(stack.use(await start()));
  say('');
  const versions = contestants.map(({ version }) => version);
  const colour = screen.isTTY && (process.env['NO_COLOR'] ?? '') === '';
  using table = new LiveTable(screen, TRIALS, versions, colour);
  const cells: (Cell & { trial: string; contestant: string; seconds: number })[] = [];
  for (const [row, trial] of TRIALS.entries())
    for (const [column, contestant] of contestants.entries()) {
      const from = performance.now();
      const cell = await table.fill(row, column, () => trial.run(contestant, tries));
      const seconds = Math.round((performance.now() - from) / 100) / 10;
      cells.push({ trial: trial.name, contestant: contestant.version, ...cell, seconds });
    }
  table.end();
  const seconds = Math.round((performance.now() - begun) / 1000);
  say('');
  for (const line of READING) say(line);
  say(`demo: ok, ${String(seconds)} s`);
  if (json)
    process.stdout.write(`${JSON.stringify({ demo: 'versus', tries, seconds, contestants: versions, cells })}\n`);
}

const options = optionsOf(process.argv.slice(2));
if (typeof options === 'string') fail(options, 'script/demo --help', 2);
else if (!namespacesAvailable()) fail('network namespaces need root', 'run it as root', 1);
else {
  try {
    await main(options);
  } catch (error) {
    fail(
      error instanceof Error ? error.message : String(error),
      'nothing is left of it; script/demo --versus tries again',
      1,
    );
  }
}

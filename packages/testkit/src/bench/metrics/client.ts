/** What a person waits for: `postern knock` as a whole process, and ssh through a hidden port. */
import { measureClient, type ClientTimes } from '../client.ts';
import { SshWorld } from '../arena/ssh-world.ts';
import { milliseconds, times } from '../report/wording.ts';
import { summarise, type Summary } from '../statistics.ts';
import type { Metric } from './metric.ts';

const [KNOCKS, ROUNDS] = [50, 10] as const;

const LINES = {
  plain: '`ssh`, nothing hidden',
  postern: '`ssh`, which knocks by itself with `postern`',
  'fwknopd-udp': "`fwknop && ssh`, fwknopd's UDP server",
  fwknopd: '`fwknop && ssh`, fwknopd sniffing (its default)',
} as const;

/** What is kept. */
export interface ClientResult {
  readonly unit: 'ms';
  readonly client: ClientTimes;
  readonly ssh: readonly { readonly line: keyof typeof LINES; readonly took: Summary }[];
}

async function measureSsh(say: (line: string) => void, rounds: number): Promise<ClientResult['ssh']> {
  await using world = await SshWorld.build();
  const took = new Map<keyof typeof LINES, number[]>();
  const line = async (name: keyof typeof LINES, typed: string): Promise<void> => {
    took.set(name, [...(took.get(name) ?? []), await world.prompt(typed)]);
  };
  // Not measured: keys of hosts become known, files come into memory.
  world.hide(false);
  await world.prompt('ssh -tt peer');
  await world.prompt('ssh -tt demo');
  for (const mode of ['udp-server', 'sniffing'] as const) {
    if (!(await world.fwknopd(mode))) continue;
    for (let i = 0; i < rounds; i++) {
      say(`fwknopd ${mode}, round ${String(i + 1)} of ${String(rounds)}`);
      world.hide(false);
      await line('plain', 'ssh -tt peer');
      world.hide(true);
      await line(mode === 'sniffing' ? 'fwknopd' : 'fwknopd-udp', SshWorld.knockAndSsh);
      await line('postern', 'ssh -tt demo');
    }
  }
  const names = Object.keys(LINES) as (keyof typeof LINES)[];
  return names.flatMap((name) => {
    const all = took.get(name);
    return all === undefined ? [] : [{ line: name, took: summarise(all) }];
  });
}

/** The client. */
export const clientMetric: Metric<ClientResult> = {
  name: 'client',
  title: 'Client',
  summary: '`postern knock` as a whole process; ssh through a hidden port, with ours and with fwknop',
  seconds: 80,
  async measure({ say, small }) {
    return {
      unit: 'ms',
      client: await measureClient(say, small ? 5 : KNOCKS),
      ssh: await measureSsh(say, small ? 2 : ROUNDS),
    };
  },
  tell({ client: { node, version, knock, rounds }, ssh }) {
    const plain = ssh.find(({ line }) => line === 'plain')?.took.median ?? NaN;
    return [
      `Whole processes, ${String(rounds)} rounds by turns. A knock waits for its receipt, and for the disk.`,
      {
        head: ['', 'min, ms', 'median, ms', 'p99, ms', 'to Node alone'],
        align: 'lrrrr',
        rows: (
          [
            ['`node -e 0`', node],
            ['`postern --version`', version],
            ['`postern knock`', knock],
          ] as const
        ).map(([what, { min, median, p99 }]) => [
          what,
          milliseconds(min),
          milliseconds(median),
          milliseconds(p99),
          times(median / node.median),
        ]),
      },
      'From the line that is typed until the prompt of a shell on the far host shows, with a real sshd; the port is closed when each line begins.',
      {
        head: ['', 'rounds', 'min, ms', 'median, ms', 'to plain ssh'],
        align: 'lrrrr',
        rows: ssh.map(({ line, took }) => [
          LINES[line],
          String(took.n),
          milliseconds(took.min),
          milliseconds(took.median),
          times(took.median / plain),
        ]),
      },
      "fwknop's client does not wait for its server: where ssh comes first, its SYN is dropped, and the next one leaves a second later.",
    ];
  },
  ratios({ client: { node, knock }, ssh }) {
    const of = (name: keyof typeof LINES): number => ssh.find(({ line }) => line === name)?.took.median ?? NaN;
    return [
      `\`postern knock\` takes ${times(knock.median / node.median)} a Node that does nothing. Through a hidden port, ssh takes ${milliseconds(of('postern') - of('plain'))} ms more than plain ssh with Postern, ${milliseconds(of('fwknopd-udp') - of('plain'))} ms more with fwknop and its UDP server, ${milliseconds(of('fwknopd') - of('plain'))} ms more with its default.`,
    ];
  },
};

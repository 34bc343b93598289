import { parseAddress, toHex } from '@postern/protocol';
import type { Bench } from './bench.ts';
import { GATE, KNOCK_PORT, STRANGER, Stage } from './stage.ts';
import { round, summarise } from './statistics.ts';
import { worldProcess } from './world-process.ts';

const KNOCKS = 100;
const ASKED = 100_000;
const SECONDS = 8;

/** Valid knocks under a flood of strangers' packets of the right port and length. */
export const flood: Bench = {
  name: 'flood',
  summary: '100 valid knocks under 100,000 junk packets a second of the right port and length',
  async run(say) {
    await using stage = await Stage.build(2 * KNOCKS);
    const quiet = summarise(await stage.probe(stage.plan(1, 4, 0, KNOCKS, 20)));
    say(`without junk: median ${String(quiet.median)} ms; now ${String(ASKED)} packets/s for ${String(SECONDS)} s …`);
    const plan = stage.plan(1, 4, KNOCKS, KNOCKS, 40);
    const cpu = stage.gate.cpu();
    const hex = (text: string): string => toHex(parseAddress(text) ?? new Uint8Array(16));
    const junk = worldProcess(stage.world, 'junk.ts', [
      '4',
      hex(STRANGER[4]),
      hex(GATE[4]),
      String(KNOCK_PORT),
      '352',
      String(ASKED),
      String(SECONDS),
    ]);
    // the flood is at its rate before the first knock
    await new Promise((resolve) => setTimeout(resolve, 700));
    const begun = performance.now();
    const summary = summarise(await stage.probe(plan));
    const took = (performance.now() - begun) / 1000;
    const { sent, perSecond } = JSON.parse(await junk) as { sent: number; perSecond: number };
    const userMicros = (stage.gate.cpu().user - cpu.user) * 1e6;
    const reached = perSecond >= 0.9 * ASKED;
    const covered = took + 0.7 <= SECONDS;
    const lines = [
      `junk: ${Math.round(perSecond).toLocaleString('en')} packets/s were sent (${ASKED.toLocaleString('en')} asked)${reached ? '' : ': TOO SLOW, this run proves nothing'}`,
      `knocks: ${String(summary.n)}, lost ${String(summary.lost)}, median ${String(summary.median)} ms, p99 ${String(summary.p99)} ms (without junk: ${String(quiet.median)} ms)`,
      ...(covered ? [] : ['the knocks lasted longer than the flood: this run proves nothing']),
    ];
    const json = {
      bench: 'flood',
      n: summary.n,
      lost: summary.lost,
      median: summary.median,
      p99: summary.p99,
      unit: 'ms',
      quietMedian: quiet.median,
      junkAsked: ASKED,
      junkReached: Math.round(perSecond),
      junkSent: sent,
      // includes the work for the valid knocks
      userCpuMicrosecondsPerJunkPacket: round(userMicros / sent),
    };
    return { ok: reached && covered && summary.lost === 0 && quiet.lost === 0, lines, json };
  },
};

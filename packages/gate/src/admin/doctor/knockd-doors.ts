/** The doors of a knockd.conf, rated as knockd runs them. */
import { readFileSync } from 'node:fs';
import { PersonError } from '@postern/terminal';
import { parseKnockdFile, type KnockdDoor, type KnockdStep } from '../../config/knockd/file.ts';
import { parseOneTime } from '../../config/one-time-file.ts';
import { fileError } from '../../config/toml-file.ts';
import type { Finding } from '../finding.ts';
import { rateKnockdDoor } from './doors.ts';

/** The sequence that opens it now; undefined where its file of one-time sequences cannot be read. */
function sequenceOf({ sequence, oneTimeSequences }: KnockdDoor): readonly Pick<KnockdStep, 'protocol' | 'port'>[] {
  if (sequence !== undefined) return sequence.value;
  const file = oneTimeSequences?.value ?? '';
  try {
    const [line] = parseOneTime(file, readFileSync(file, 'utf8'));
    return (line?.knocks ?? []).flatMap(({ protocol, port }) =>
      protocol === 'tcp' || protocol === 'udp' ? [{ protocol, port }] : [],
    );
  } catch (error) {
    if (error instanceof PersonError) throw error;
    throw fileError(file, error, 'a file of one-time sequences is expected, a sequence a line');
  }
}

/** Rates every door. @throws PersonError where knockd would not start */
export function examineKnockd(file: string): Finding[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw fileError(file, error, 'the configuration file of knockd is expected');
  }
  return parseKnockdFile(file, text).doors.flatMap((door) => {
    const gaps = { flagsSet: 0, flagsClear: 0, minGap: 0, maxGap: Infinity };
    const steps = sequenceOf(door).map((step) => ({ ...step, ...gaps }));
    if (steps.length === 0) return [];
    const sequence = {
      ...{ door: 0, sequence: 0, steps, timeout: Infinity, misses: 0, anyOrder: false, target: undefined },
    };
    const oneTime = door.oneTimeSequences !== undefined;
    return [rateKnockdDoor({ name: door.name, sequence, oneTime, alternatives: 1, file })];
  });
}

import process from 'node:process';
import type { UnixMicros } from '@postern/protocol';
import type { Configuration } from '../../config/model.ts';
import { bySeverity, type Finding } from '../finding.ts';
import { readHostFacts } from '../host-facts.ts';
import { readRulesets } from '../ruleset/read-rulesets.ts';
import type { Examiner, Network } from './examiner.ts';
import { readInterfaces, readKernel } from './network.ts';
import { readSockets } from './sockets.ts';

/** Reads what this host looks like from the network. Changes nothing. */
export function readNetwork(): Network {
  const { ruleset, troubles } = readRulesets();
  return { interfaces: readInterfaces(), kernel: readKernel(), sockets: readSockets(), ruleset, troubles };
}

/** What is asked. */
export interface ExamineOptions {
  readonly configuration: Configuration;
  readonly running: boolean;
  /** What the running daemon found by itself. */
  readonly daemon: readonly Finding[];
}

/** Gathers the facts of this host, lets every examiner look, and puts the worst findings first. Needs no daemon; changes nothing. */
export async function examine(
  examiners: readonly Examiner[],
  { configuration, running, daemon }: ExamineOptions,
): Promise<Finding[]> {
  const subject = {
    ...{ configuration, running, network: readNetwork() },
    facts: await readHostFacts(configuration),
    now: (Date.now() * 1000) as UnixMicros,
    own: process.geteuid?.() ?? 0,
  };
  return bySeverity([...daemon, ...examiners.flatMap((examiner) => examiner(subject))]);
}

import type { UnixMicros } from '@postern/protocol';
import type { Configuration } from '../../config/model.ts';
import type { Finding } from '../finding.ts';
import type { HostFacts } from '../host-facts.ts';
import type { Ruleset } from '../ruleset/model.ts';
import type { Interface, Kernel } from './network.ts';
import type { ListeningSocket } from './sockets.ts';

/** What this host looks like from the network. */
export interface Network {
  readonly interfaces: readonly Interface[];
  readonly kernel: Kernel;
  readonly sockets: readonly ListeningSocket[];
  readonly ruleset: Ruleset;
  /** Why rules are missing in `ruleset`; empty when all could be read. */
  readonly troubles: readonly string[];
}

/** Everything that findings are decided by: gathered once, judged by pure functions. */
export interface Subject {
  readonly configuration: Configuration;
  readonly facts: HostFacts;
  readonly network: Network;
  /** Whether the daemon answers. */
  readonly running: boolean;
  readonly now: UnixMicros;
  /** User id of who asks. */
  readonly own: number;
}

/** Looks at one thing. Pure. */
export type Examiner = (subject: Subject) => readonly Finding[];

/** The gate as a replay makes it: the daemon's own checks over a firewall and a state in memory. Nothing is opened, run or written. */
import { randomBytes } from 'node:crypto';
import type { UnixMicros } from '@postern/protocol';
import type { GateSecrets } from '../config/gate-key.ts';
import type { KnockKeys } from '../config/knock-keys.ts';
import type { Configuration } from '../config/model.ts';
import { memoryFirewall } from '../firewall/memory.ts';
import { makeDirectory } from '../monitor/directory.ts';
import { GrantBook } from '../monitor/grants.ts';
import { CommandRecorder } from './command-recorder.ts';
import { FwknopReplay } from './fwknop.ts';
import type { Judgement } from './judgement.ts';
import { KnockReplay } from './knocks.ts';
import type { IpPacket } from './link-layer.ts';
import { SpaReplay } from './spa.ts';

/** What it is made from. */
export interface JudgeOptions {
  readonly configuration: Configuration;
  /** Undefined: native packets are not judged. */
  readonly secrets: GateSecrets | undefined;
  readonly knockKeys: KnockKeys;
}

/** Judges packets by the clock of their recording. */
export class Judge {
  readonly #spa: SpaReplay | undefined;
  readonly #fwknop: FwknopReplay | undefined;
  readonly #knocks: KnockReplay;
  #now: UnixMicros;

  /** @param start - when the first packet was seen */
  constructor({ configuration, secrets, knockKeys }: JudgeOptions, start: UnixMicros) {
    this.#now = start;
    const clock = (): UnixMicros => this.#now;
    const firewall = memoryFirewall({ now: clock });
    firewall.install({ knockPort: configuration.port, dropKnocks: true, forwards: true });
    const records = { putGrant: () => undefined, dropGrant: () => undefined, grants: () => [] };
    const grants = new GrantBook(firewall, records, randomBytes, () => undefined);
    const directory = makeDirectory(configuration);
    const commands = new CommandRecorder();
    const common = { grants, directory, commands, clock };
    const { fwknop } = configuration;
    this.#spa = secrets === undefined ? undefined : new SpaReplay({ ...common, configuration, secrets });
    this.#fwknop =
      fwknop === undefined ? undefined : new FwknopReplay({ ...common, configuration: { ...configuration, fwknop } });
    this.#knocks = new KnockReplay({ ...common, configuration, keys: knockKeys });
  }

  /** Judges one packet, seen at `now`; none for one that has no form of anything. */
  async judge(packet: IpPacket, now: UnixMicros): Promise<Judgement[]> {
    this.#now = now;
    const spa = this.#spa?.hear(packet);
    const fwknop = await this.#fwknop?.hear(packet);
    // By its length alone a packet of fwknop's format may pass for one of ours.
    const passes = fwknop !== undefined && spa?.outcome.verdict === 'refuse' && spa.outcome.reason === 'tag';
    return [...(passes ? [] : [spa]), fwknop, ...this.#knocks.hear(packet)].filter((it) => it !== undefined);
  }
}

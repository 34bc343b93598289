import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MICROS_PER_SECOND, type UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { Fwknop } from '../config/fwknop/model.ts';
import type { Configuration } from '../config/model.ts';
import type { CredentialFrame } from '../line/fwknop-codec.ts';
import type { EventLog } from './event-log.ts';
import { FwknopReplay } from './fwknop-replay.ts';
import type { FwknopHearingNow } from './fwknop-sockets.ts';
import { FwknopRequests, type FwknopContext } from './fwknop.ts';
import type { GpgCredential, GpgProcess } from './gpg-process.ts';
import type { GrantBook } from './grants.ts';
import { messageOf, type Log } from './log.ts';
import { checkStanzaCommands, runnable, stanzaCommands } from './stanza-commands.ts';
import type { Store } from './store.ts';
import type { TimedCommands } from './timed-commands.ts';

/** fwknopd may record a packet that both heard so much later than we do, in seconds. */
const TOGETHER = 5;

/** What the daemon was asked for. */
export interface FwknopOptions {
  /** What is heard and does not stand in the configuration; told what it has to leave out, or it throws that. */
  readonly more?: ((configuration: Configuration, leaveOut?: (error: PersonError) => void) => Fwknop) | undefined;
  /** When the fwknopd that this gate takes the place of let somebody in last, unix seconds. */
  readonly before?: number | undefined;
  /** Looks up names of NAT targets; without it none is found. */
  readonly lookUp?: FwknopContext['lookUp'] | undefined;
  /** Starts the helper that hands messages to gpg; without it stanzas with GPG open nothing. @throws PersonError */
  readonly startGpg?: ((credentials: readonly GpgCredential[]) => GpgProcess) | undefined;
}

/** How the sentry that runs is reached. */
export interface FwknopLine {
  readonly setFwknop: (now: FwknopHearingNow) => void;
  readonly sendTables: (frames: readonly CredentialFrame[]) => boolean;
}

/** What it stands on. */
export interface FwknopSideContext extends FwknopOptions {
  readonly gate: { readonly store: Store; readonly grants: GrantBook; readonly events: EventLog };
  readonly clock: () => UnixMicros;
  readonly log: Log;
  /** Undefined: stanzas with commands run none. */
  readonly commands: TimedCommands | undefined;
}

/** All that the gate has for fwknop's format: its configuration, wherever that stands, the memory of what was used, and the requests. */
export class FwknopSide implements Disposable {
  readonly requests: FwknopRequests;
  readonly #context: FwknopSideContext;
  #replay: FwknopReplay | undefined;
  #line: FwknopLine | undefined;
  #gpg: GpgProcess | undefined;

  constructor(context: FwknopSideContext) {
    const { gate, clock, commands, lookUp } = context;
    this.#context = context;
    this.requests = new FwknopRequests({
      grants: gate.grants,
      clock,
      replay: {
        refusal: (...packet) => this.#replay?.refusal(...packet) ?? undefined,
        use: (...packet) => {
          if (this.#replay === undefined) throw new Error('there is no memory of packets');
          this.#replay.use(...packet);
        },
      },
      commands: commands === undefined ? { run: () => undefined } : stanzaCommands(commands, clock),
      lookUp: lookUp ?? (() => Promise.resolve(undefined)),
      onEvent: (event) => {
        gate.events.fwknop(event);
      },
    });
  }

  /**
   * The configuration with what stands elsewhere.
   * @param leaveOut - told of what cannot be run; without it that is thrown
   * @throws PersonError
   */
  complete(configuration: Configuration, leaveOut?: (error: PersonError) => void): Configuration {
    const fwknop = this.#read(configuration, leaveOut);
    if (fwknop === undefined) return configuration;
    if (leaveOut === undefined) checkStanzaCommands(fwknop);
    return { ...configuration, fwknop: leaveOut === undefined ? fwknop : runnable(fwknop, leaveOut) };
  }

  #read(configuration: Configuration, leaveOut?: (error: PersonError) => void): Fwknop | undefined {
    const { more } = this.#context;
    try {
      return more === undefined ? configuration.fwknop : more(configuration, leaveOut);
    } catch (error) {
      // At the start what cannot be read at all keeps nobody else out.
      if (leaveOut === undefined || !(error instanceof PersonError)) throw error;
      leaveOut(error);
      return configuration.fwknop;
    }
  }

  /** What a sentry is started with. */
  get hearing(): FwknopHearingNow {
    return { hears: this.requests.hears, gpgFd: this.#gpg?.sentryFd };
  }

  /** The sentry is there. */
  connect(line: FwknopLine): void {
    this.#line = line;
    this.requests.connect((frames) => line.sendTables(frames));
  }

  /** Takes a configuration into use. */
  configure(configuration: Configuration): void {
    if (configuration.fwknop !== undefined) this.#replay ??= this.#remember(configuration, configuration.fwknop);
    // Without a memory of what was used nothing may open.
    const heard = this.#replay === undefined ? { ...configuration, fwknop: undefined } : configuration;
    if (!this.requests.configure(heard)) return;
    this.#followGpg();
    this.#line?.setFwknop(this.hearing);
    this.requests.tick();
  }

  /** The helper is there from the first stanza with GPG on, and has the keyrings as they are at each reload. */
  #followGpg(): void {
    const { startGpg, log } = this.#context;
    const credentials = this.requests.gpgCredentials;
    if (this.#gpg !== undefined) this.#gpg.reload(credentials);
    if (this.#gpg !== undefined || credentials.length === 0 || startGpg === undefined) return;
    try {
      this.#gpg = startGpg(credentials);
    } catch (error) {
      if (!(error instanceof PersonError)) throw error;
      log('error', `stanzas with GPG open nothing: ${error.message}`, { hint: error.hint });
    }
  }

  #remember({ file }: Configuration, { maxAge }: Fwknop): FwknopReplay | undefined {
    const { gate, clock, log, before } = this.#context;
    const now = Math.floor(clock() / MICROS_PER_SECOND);
    const anchor = join(dirname(file), 'fwknop.last');
    // What both heard, side by side, is in our record.
    const ours = statSync(anchor, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const missed = before !== undefined && before > ours / 1000 + TOGETHER ? before : undefined;
    let replay: FwknopReplay;
    try {
      replay = new FwknopReplay({ records: gate.store.fwknop, anchor, maxAge, now, before: missed });
    } catch (error) {
      const hint = 'the daemon must be able to write there; after that, `posternd reload`';
      log('error', `nothing of fwknop's format is heard: ${anchor}: ${messageOf(error)}`, { hint });
      return undefined;
    }
    if (replay.floor >= now)
      log('warning', "packets of fwknop's format are refused for a while: they may have been used before", {
        until: new Date(replay.floor * 1000).toISOString(),
        reason: replay.lost ? 'the state was lost' : 'fwknopd let somebody in a moment ago',
      });
    return replay;
  }

  [Symbol.dispose](): void {
    this.#gpg?.[Symbol.dispose]();
    this.#replay?.[Symbol.dispose]();
  }
}

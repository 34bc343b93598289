import { dirname, join } from 'node:path';
import process from 'node:process';
import type { UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { openNftables } from '../firewall/nftables.ts';
import { forbidCoreDumps } from '../system/core-dumps.ts';
import { notifyManager } from '../system/notify.ts';
import { administration } from './administration.ts';
import { AdminServer, refuseSecond } from './admin-server.ts';
import { Gate, type GateOptions } from './gate.ts';
import { startGpg } from './gpg-process.ts';
import { makeLog, type Log } from './log.ts';
import { CommandProcess } from './command-process.ts';
import { commandUser } from './door-commands.ts';
import { TimedCommands, type TimedCommandsContext } from './timed-commands.ts';
import { OneTimeFiles } from './one-time.ts';
import type { FwknopOptions } from './fwknop-side.ts';
import { lookUp } from './look-up.ts';
import { confine } from './privileges.ts';
import { rehearse } from './rehearsal.ts';
import { startSentry } from './sentry-process.ts';
import { lookUpUser } from './sentry-user.ts';
import type { Store } from './store.ts';
import { fwknopOf, lastUseByFwknopd } from '../config/fwknop/load.ts';
import { knockdDoors } from '../config/knockd/load.ts';
import { loadGate, type GateConfiguration } from '../config/load.ts';

const HOUSEKEEPING = 60_000;
/** How often the ruleset is looked after, in milliseconds. */
const WATCH = 500;

/** How often sets of keyed knocks are computed ahead, in milliseconds. */
const KNOCKS = 250;

/** What `posternd run` was asked for. */
export interface MonitorOptions {
  readonly configFile: string;
  readonly version: string;
  /** A knockd.conf whose doors are run beside those of the configuration. */
  readonly knockd?: string;
  /** A directory with a fwknopd.conf and an access.conf whose stanzas are heard beside those of the configuration. */
  readonly fwknop?: string;
  /** Entry module of the sentry; another one only in tests of what a taken-over sentry can do. */
  readonly sentryEntry?: string;
  /** The clock, and time as the kernel counts it; others only in tests that let time run faster. */
  readonly time?: { readonly clock: () => UnixMicros; readonly uptime: () => UnixMicros };
}

/**
 * Runs the daemon until SIGTERM or SIGINT; returns the exit code. Stopping it opens and closes nothing: the ruleset and its grants
 * stay in the kernel, and the next start adopts them.
 *
 * @throws PersonError when it cannot start; what the configuration says is protected is closed then all the same
 */
export async function runMonitor(options: MonitorOptions): Promise<number> {
  const preview = loadGate(options.configFile);
  confine(preview.port);
  forbidCoreDumps();
  await refuseSecond(preview.socket);
  const clock = options.time?.clock ?? ((): UnixMicros => (Date.now() * 1000) as UnixMicros);
  const started = clock();
  const log = makeLog((line) => process.stderr.write(`${line}\n`));
  const notify = (lines: string): boolean => notifyManager(process.env['NOTIFY_SOCKET'], lines);

  rehearse();
  using runner = new CommandProcess(log);
  using doors = new DisposableStack();
  const order: TimedCommandsContext['order'] = (wanted, done) => runner.order(wanted, done);
  const commands = (store: Store): TimedCommands =>
    doors.use(new TimedCommands({ order, store, clock, log, user: commandUser }));
  const oneTime = new OneTimeFiles(log);
  const { configFile, knockd } = options;
  const moreDoors: GateOptions['moreDoors'] =
    knockd === undefined ? undefined : (configuration, leaveOut) => knockdDoors(knockd, configuration, leaveOut);
  const fwknop = fwknopOptions(options.fwknop, preview, log);
  const uptime = options.time?.uptime;
  using gate = new Gate({
    configFile,
    firewall: openNftables(),
    clock,
    uptime,
    log,
    commands,
    oneTime,
    moreDoors,
    fwknop,
  });
  const { configuration } = gate;
  using sentry = startSentry({
    port: configuration.port,
    capture: configuration.capture,
    sentryUser: configuration.sentryUser,
    pq: configuration.pq,
    secrets: { x25519: gate.secrets.x25519, xwing: gate.secrets.xwing, gateKeys: gate.secrets.keys },
    clock,
    log,
    ...(options.sentryEntry === undefined ? {} : { entry: options.sentryEntry }),
    onRequest: (request, reply) => {
      const verdict = gate.request(request);
      if (verdict !== undefined) reply({ ...verdict, stateId: gate.store.stateId });
    },
    onKnock: (event) => {
      gate.knock(event);
    },
    onFwknop: (request) => {
      gate.fwknopRequest(request);
    },
    tables: () => [...gate.knocks.tables(), ...gate.fwknop.requests.tables()],
    knockPlan: gate.knocks.plan,
    fwknop: gate.fwknop.hearing,
    onRefused: (reason) => {
      gate.refused(reason);
    },
    onRestart: (reason, delay) => {
      log('warning', 'the sentry ended and is started again', { reason, milliseconds: delay });
    },
  });
  gate.onKeys = (keys) => {
    sentry.setKeys(keys);
  };
  gate.knocks.connect(sentry);
  gate.fwknop.connect(sentry);
  gate.tickKnocks();
  const handlers = administration(gate, sentry, { version: options.version, started, fwknop: options.fwknop });
  // No request can come before the ruleset is there: the event loop has not turned since the sentry was started.
  gate.start();
  await using server = await AdminServer.listen(configuration.socket, handlers);
  await sentry.ready;
  const housekeeping = setInterval(() => {
    gate.housekeep();
  }, HOUSEKEEPING);
  const knocks = setInterval(() => {
    gate.tickKnocks();
  }, KNOCKS);
  const watch = setInterval(() => {
    void gate.watch();
  }, WATCH);
  log('info', 'ready', {
    name: configuration.name,
    port: configuration.port,
    devices: gate.directory.size,
    server: server.path,
  });
  notify(`READY=1\nMAINPID=${String(process.pid)}`);

  const stopped = Promise.withResolvers<string>();
  const reload = (): void => {
    notify(`RELOADING=1\nMONOTONIC_USEC=${String(process.hrtime.bigint() / 1000n)}`);
    try {
      const { needsRestart } = gate.reload();
      log('info', 'configuration read again', {
        devices: gate.directory.size,
        needsRestart: needsRestart.join(',') || undefined,
      });
    } catch (error) {
      if (!(error instanceof PersonError)) throw error;
      log('error', `the configuration was not taken: ${error.message}`, { hint: error.hint });
    }
    notify('READY=1');
  };
  const stop = (signal: NodeJS.Signals): void => {
    stopped.resolve(signal);
  };
  process.on('SIGHUP', reload);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const signal = await stopped.promise;
  clearInterval(housekeeping);
  clearInterval(watch);
  clearInterval(knocks);
  notify('STOPPING=1');
  log('info', 'stopping; grants and protection stay in the kernel', { signal });
  sentry[Symbol.dispose]();
  await sentry.closed;
  return 0;
}

function fwknopOptions(
  directory: string | undefined,
  { sentryUser, socket }: GateConfiguration,
  log: Log,
): FwknopOptions {
  const gpg = join(dirname(socket), 'gpg');
  const startHelper: FwknopOptions['startGpg'] = (credentials) =>
    startGpg({ credentials, user: lookUpUser(sentryUser), directory: gpg, log });
  const common = { lookUp, startGpg: startHelper };
  if (directory === undefined) return common;
  return {
    ...common,
    more: (configuration, leaveOut) => fwknopOf(directory, configuration, leaveOut),
    before: lastUseByFwknopd(directory),
  };
}

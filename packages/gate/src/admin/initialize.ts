/** What `posternd init` makes: keys, configuration, a place for users and one for the state. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, PersonError } from '@postern/terminal';
import { writeAtomically } from '../config/atomic-write.ts';
import { makeGateSecrets, writeGateKey } from '../config/gate-key.ts';
import { readGate, type GateConfiguration } from '../config/load.ts';
import { DEFAULT_PORT, DEFAULT_SECONDS } from '../config/schema.ts';
import { fileError, parseToml } from '../config/toml-file.ts';

/** A service to begin with. */
export interface FirstService {
  readonly name: string;
  /** As in the configuration: `tcp/22`. */
  readonly ports: readonly string[];
}

/** What was asked for. What is undefined is left to the defaults of the configuration. */
export interface InitPlan {
  readonly configFile: string;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly services: readonly FirstService[];
  readonly capture?: string | undefined;
  readonly pq?: string | undefined;
  readonly sentryUser?: string | undefined;
  readonly state?: string | undefined;
  readonly socket?: string | undefined;
}

function list(texts: readonly string[]): string {
  return `[${texts.map((text) => JSON.stringify(text)).join(', ')}]`;
}

function optional(key: string, value: string | undefined, preset: string): string {
  return value === undefined ? `# ${key} = ${JSON.stringify(preset)}` : `${key} = ${JSON.stringify(value)}`;
}

/** The text of a first posternd.toml. */
export function formatConfiguration(plan: InitPlan): string {
  const lines = [
    '# What this gate hides and how it is reached. `posternd check` looks it over, `posternd reload` takes it over.',
    '# Users are in users.d/NAME.toml; the secret keys are in gate.key.',
    '',
    '[gate]',
    '# What devices call this gate.',
    `name = ${JSON.stringify(plan.name)}`,
    '# Addresses or host names at which devices find it, in the order in which to try them.',
    `addresses = ${list(plan.addresses)}`,
    '# UDP port of knocks. Nothing listens there and nothing answers.',
    `port = ${plan.port}`,
    optional('capture', plan.capture, 'packet'),
    optional('pq', plan.pq, 'off'),
    optional('sentry_user', plan.sentryUser, 'postern'),
    optional('state', plan.state, '/var/lib/postern'),
    optional('socket', plan.socket, '/run/postern/posternd.sock'),
  ];
  for (const { name, ports } of plan.services) {
    lines.push(
      '',
      `[services.${name}]`,
      `ports = ${list(ports)}`,
      '# After a knock, new connections may begin for so many seconds; those that began live on.',
      `seconds = ${DEFAULT_SECONDS}`,
      '# true: one knock admits one connection.',
      `single_use = ${name === 'ssh'}`,
      '# `posternd protect` and `posternd confirm` set this to true.',
      'protect = false',
    );
  }
  return `${lines.join('\n')}\n`;
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError(path, error, 'run the command as root, or name another place with `--config` or `--state`');
  }
}

function refuseExisting(...files: readonly string[]): void {
  const there = files.find((file) => existsSync(file));
  if (there === undefined) return;
  throw new PersonError(`${there}: exists already`, {
    hint: 'this host is a gate; nothing was changed. To begin anew, move its directory away: every device then needs a new invite',
    exitCode: EXIT.failed,
  });
}

/** A port of the default knock port's kind: what `init` offers. */
export const OFFERED_PORT: number = DEFAULT_PORT;

/**
 * Makes a gate. Replaces no file; where it fails, it takes back what it wrote.
 *
 * @throws PersonError when there is a gate already, a value is not allowed, or something cannot be written
 */
export function initialize(plan: InitPlan): GateConfiguration {
  const { configFile } = plan;
  const directory = dirname(configFile);
  const keyFile = join(directory, 'gate.key');
  refuseExisting(configFile, keyFile);
  const text = formatConfiguration(plan);
  // What cannot be read again is not written.
  const gate = readGate(parseToml(configFile, text));
  makeDirectory(directory);
  makeDirectory(gate.usersDirectory);
  makeDirectory(gate.stateDirectory);
  writeGateKey(keyFile, makeGateSecrets(randomBytes), true);
  try {
    writeAtomically(configFile, text, { mode: 0o600, fresh: true });
  } catch (error) {
    unlinkSync(keyFile);
    throw error;
  }
  return gate;
}

/** The commands' side of the admin socket. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { EXIT, PersonError } from '@postern/terminal';
import { DEFAULT_CONFIG_FILE, DEFAULT_SOCKET, MISSING_CONFIGURATION } from '../config/load.ts';
import { errorCode, readToml } from '../config/toml-file.ts';
import { LineReader } from './lines.ts';
import { MAX_LINE, type AdminArguments, type AdminCommand, type AdminReply, type AdminValue } from './protocol.ts';

/** A daemon that says nothing for so long hangs; milliseconds. Reading 100,000 users again takes a few seconds. */
const PATIENCE = 60_000;

/** The daemon does not run, as far as the socket tells. */
export class NotRunning extends PersonError {}

/** The daemon runs and gives no answer. */
export class NoAnswer extends PersonError {}

/**
 * Where the daemon of a configuration listens. A file that is wrong in another place still says it, so that a slip in the file does not
 * keep anybody from asking the running daemon.
 *
 * @throws PersonError when the file cannot be read, or is not TOML
 */
export function socketOf(configFile: string): string {
  try {
    const { gate } = readToml(configFile, MISSING_CONFIGURATION).data;
    const socket = typeof gate === 'object' && gate !== null && 'socket' in gate ? gate.socket : undefined;
    return typeof socket === 'string' ? socket : DEFAULT_SOCKET;
  } catch (error) {
    if (configFile === DEFAULT_CONFIG_FILE && existsSync(configFile) && existsSync(DEFAULT_SOCKET))
      return DEFAULT_SOCKET;
    throw error;
  }
}

function connectionError(socket: string, error: unknown): PersonError {
  const code = errorCode(error) ?? 'unknown error';
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new NotRunning(
        `posternd is not running: ${code === 'ENOENT' ? 'there is no socket' : 'nobody answers'} at ${socket}`,
        {
          hint: '`posternd run`, or its service, starts it; `--config FILE` names another configuration',
          cause: error,
        },
      );
    case 'EACCES':
    case 'EPERM':
      return new PersonError(`${socket} is for root only`, { hint: 'run the command as root', cause: error });
    default:
      return new NoAnswer(`cannot talk to posternd at ${socket}: ${code}`, { cause: error });
  }
}

function broken(socket: string, what: string): NoAnswer {
  return new NoAnswer(`posternd at ${socket} ${what}`, {
    hint: 'its log says why (`journalctl -u posternd` where it is a service)',
  });
}

function isReply(value: unknown): value is AdminReply {
  return typeof value === 'object' && value !== null && ('ok' in value || 'progress' in value);
}

function parseReply(line: string): AdminReply | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isReply(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Asks the daemon and waits for its answer.
 *
 * @param onProgress - told what the daemon is doing meanwhile
 * @param patience - how long the daemon may say nothing, in milliseconds
 * @throws PersonError what the daemon says is wrong; {@link NotRunning}; {@link NoAnswer}; or that it is not reached
 */
export function ask<C extends AdminCommand>(
  socket: string,
  command: C,
  args: AdminArguments<C>,
  onProgress: (text: string) => void = () => undefined,
  patience: number = PATIENCE,
): Promise<AdminValue<C>> {
  return new Promise((resolve, reject) => {
    const reader = new LineReader(MAX_LINE);
    const connection = connect(socket);
    const fail = (error: PersonError): void => {
      connection.destroy();
      reject(error);
    };
    connection.setTimeout(patience, () => {
      fail(broken(socket, `has said nothing for ${patience / 1000} seconds`));
    });
    connection.once('connect', () => connection.write(`${JSON.stringify({ command, arguments: args })}\n`));
    connection.once('error', (error) => {
      fail(connectionError(socket, error));
    });
    connection.once('close', () => {
      reject(broken(socket, 'ended the connection without an answer'));
    });
    connection.on('data', (chunk: Buffer) => {
      let lines: string[];
      try {
        lines = reader.push(chunk);
      } catch {
        fail(broken(socket, 'answers with a line that is too long'));
        return;
      }
      for (const line of lines) {
        const reply = parseReply(line);
        if (reply === undefined) {
          fail(broken(socket, 'answers in another language'));
          return;
        }
        if ('progress' in reply) {
          onProgress(reply.progress);
          continue;
        }
        connection.destroy();
        // The daemon is ours and root's: what it says under a command's name is that command's value.
        if (reply.ok) resolve(reply.value as AdminValue<C>);
        else {
          const { message, hint, exitCode } = reply.error;
          reject(new PersonError(message, { hint, exitCode: Number.isInteger(exitCode) ? exitCode : EXIT.failed }));
        }
        return;
      }
    });
  });
}

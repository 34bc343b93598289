import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { EXIT, PersonError } from '@postern/terminal';
import { LineReader } from '../admin/lines.ts';
import { MAX_LINE, type AdminHandlers, type AdminReply, type AdminRequest } from '../admin/protocol.ts';
import { parseRequest } from '../admin/request-schema.ts';

/** Most connections at once; commands of one administrator never need them. */
const CONNECTIONS = 32;
/** A command that has not sent its line by then is cut off, in milliseconds. */
const PATIENCE = 10_000;

function answering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => {
      resolve(false);
    });
  });
}

/** Whether a socket is there. @throws PersonError for anything else: it is not ours to replace */
function socketIsThere(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isSocket()) return found !== undefined;
  throw new PersonError(`${path} is there and is no socket`, {
    hint: 'set `socket` in [gate] to a path of its own, or move that file away',
    exitCode: EXIT.configuration,
  });
}

/**
 * Makes sure that no other daemon serves `path`: asked before anything on the host is touched.
 * @throws PersonError when one does, or when what is there is no socket
 */
export async function refuseSecond(path: string): Promise<void> {
  if (socketIsThere(path) && (await answering(path))) {
    throw new PersonError(`another posternd answers on ${path}`, {
      hint: '`posternd status` shows it; stop it first, or give this one a socket of its own in the configuration',
    });
  }
}

/** Serves the admin protocol on a unix socket that only root can reach (directory 0700, socket 0600). */
export class AdminServer implements AsyncDisposable {
  readonly #server: Server;
  readonly path: string;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.path = path;
  }

  /** @throws PersonError when the socket cannot be made. {@link refuseSecond} comes first. */
  static async listen(path: string, handlers: AdminHandlers): Promise<AdminServer> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (socketIsThere(path)) rmSync(path);
    const server = createServer();
    server.maxConnections = CONNECTIONS;
    const self = new AdminServer(server, path);
    server.on('connection', (socket) => {
      self.#serve(socket, handlers);
    });
    await new Promise<void>((resolve, reject) => {
      // For good: an error of a later connection must not end the daemon.
      server.on('error', (error) => {
        reject(
          new PersonError(`cannot listen on ${path}: ${error.message}`, {
            hint: 'is its directory writable for root?',
          }),
        );
      });
      server.listen(path, () => {
        resolve();
      });
    });
    chmodSync(path, 0o600);
    return self;
  }

  #serve(socket: Socket, handlers: AdminHandlers): void {
    this.#sockets.add(socket);
    const reader = new LineReader(MAX_LINE);
    let asked = false;
    const reply = (line: string): void => {
      if (socket.writable) socket.write(`${line}\n`);
    };
    // From the beginning, and not from the last byte: one byte now and then is no request.
    const patience = setTimeout(() => socket.destroy(), PATIENCE);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(patience);
      this.#sockets.delete(socket);
    });
    socket.on('data', (chunk: Buffer) => {
      if (asked) return;
      let line: string | undefined;
      try {
        [line] = reader.push(chunk);
      } catch {
        socket.destroy();
        return;
      }
      if (line === undefined) return;
      asked = true;
      clearTimeout(patience);
      void answer(line, handlers, (text) => {
        reply(encode({ progress: text }));
      }).then((last) => {
        reply(last);
        socket.end();
      });
    });
  }

  /** Stops listening, cuts what is connected, removes the socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    rmSync(this.path, { force: true });
  }
}

async function dispatch(
  request: AdminRequest,
  handlers: AdminHandlers,
  progress: (text: string) => void,
): Promise<unknown> {
  // parseRequest pairs each command with its own arguments; TypeScript cannot follow an index by a union
  const handler = handlers[request.command] as (args: unknown, progress: (text: string) => void) => unknown;
  return await handler(request.arguments, progress);
}

function encode(reply: AdminReply): string {
  return JSON.stringify(reply);
}

async function answer(line: string, handlers: AdminHandlers, progress: (text: string) => void): Promise<string> {
  try {
    return encode({ ok: true, value: await dispatch(parseRequest(line), handlers, progress) });
  } catch (error) {
    if (error instanceof PersonError) {
      return encode({ ok: false, error: { message: error.message, hint: error.hint, exitCode: error.exitCode } });
    }
    const message = error instanceof Error ? error.message : String(error);
    return encode({
      ok: false,
      error: { message: `internal error: ${message}`, hint: 'this is a bug in posternd', exitCode: EXIT.failed },
    });
  }
}

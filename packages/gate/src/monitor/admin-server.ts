import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
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

/**
 * Makes sure that no other daemon serves `path`: asked before anything on the host is touched.
 * @throws PersonError when one does
 */
export async function refuseSecond(path: string): Promise<void> {
  if (existsSync(path) && (await answering(path))) {
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
    rmSync(path, { force: true });
    const server = createServer();
    server.maxConnections = CONNECTIONS;
    const self = new AdminServer(server, path);
    server.on('connection', (socket) => {
      self.#serve(socket, handlers);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
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
    const reply = (answer: AdminReply): void => {
      if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
    };
    socket.setTimeout(PATIENCE, () => {
      if (!asked) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
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
      void answer(line, handlers, (text) => {
        reply({ progress: text });
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

async function answer(line: string, handlers: AdminHandlers, progress: (text: string) => void): Promise<AdminReply> {
  try {
    return { ok: true, value: await dispatch(parseRequest(line), handlers, progress) };
  } catch (error) {
    if (error instanceof PersonError) {
      return { ok: false, error: { message: error.message, hint: error.hint, exitCode: error.exitCode } };
    }
    const message = error instanceof Error ? error.message : String(error);
    return {
      ok: false,
      error: { message: `internal error: ${message}`, hint: 'this is a bug in posternd', exitCode: EXIT.failed },
    };
  }
}

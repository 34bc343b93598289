/**
 * A reporter of Node's test runner that names each test file whose results were counted, one a line: `script/test` compares them with
 * the files that it asked for, so that no file's results can be lost without anybody noticing.
 */
interface TestEvent {
  readonly type: string;
  /** A file's own summary names the file; that of the whole run does not. */
  readonly data: { readonly file?: string; readonly counts?: { readonly tests: number } };
}

/** Yields the path of each file that ended, when it had at least one test. The runner wants it as the default export. */
// eslint-disable-next-line no-restricted-syntax -- the runner takes nothing else
export default async function* countedFiles(source: AsyncIterable<TestEvent>): AsyncGenerator<string, void> {
  for await (const { type, data } of source) {
    if (type !== 'test:summary' || data.file === undefined || (data.counts?.tests ?? 0) === 0) continue;
    yield `${data.file}\n`;
  }
}

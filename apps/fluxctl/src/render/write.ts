import type { Writable } from 'node:stream';

/** Writes and waits until the stream took it. false: the reader is gone (closed pipe). */
export function write(stream: Writable, text: string): Promise<boolean> {
  if (text === '') return Promise.resolve(true);
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED' ? resolve(false) : reject(error);
    stream.once('error', failed);
    stream.write(text, (error) => {
      if (error) failed(error);
      else {
        stream.removeListener('error', failed);
        resolve(true);
      }
    });
  });
}

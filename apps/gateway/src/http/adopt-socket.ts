import net from 'node:net';

/** Reads a connection: `buf[0, length)` is valid during the call only. */
export type OnRead = (length: number, buf: Buffer) => void;

/** All clients of a worker read into one buffer: a read is handled before the next one begins; what must be kept is copied out. */
const readBuffer = Buffer.allocUnsafeSlow(65_536);

type Handled = { _handle?: object | null };

/**
 * A freshly accepted socket, read into a buffer of ours (`onread`). `net.connect` has that as an option, `net.Server` has not, so the
 * handle moves into a socket made with the option. It saves the 64 KiB that Node allocates and shrinks per read: 3 µs of 11 for a
 * request that is read and answered. Null where this Node does not do it; the socket is then untouched and used as it is.
 */
export function adoptSocket(shell: net.Socket, onRead: OnRead): net.Socket | null {
  const handle = (shell as Handled)._handle;
  if (
    handle === undefined ||
    handle === null ||
    handle.constructor.name !== 'TCP' ||
    shell.bytesRead > 0 ||
    shell.listenerCount('data') > 0
  )
    return null;
  const callback = (length: number, buf: Uint8Array): boolean => {
    onRead(length, buf as Buffer);
    return true;
  };
  const options = { handle, allowHalfOpen: true, onread: { buffer: readBuffer, callback } };
  const adopted = new net.Socket(options as net.SocketConstructorOpts);
  if ((adopted as Handled)._handle !== handle) return null;
  (shell as Handled)._handle = null;
  shell.destroy();
  return adopted;
}

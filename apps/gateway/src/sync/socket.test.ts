import { describe, expect, test } from '@jest/globals';
import { nextBackoffMs, syncUrl } from './socket.ts';

describe('line to the control plane', () => {
  test('a control plane elsewhere is reached by TLS only', () => {
    expect(syncUrl('https://cp.example:8443')).toEqual({ ok: true, url: 'wss://cp.example:8443/v1/sync' });
    expect(syncUrl('wss://cp.example/base/')).toEqual({ ok: true, url: 'wss://cp.example/base/v1/sync' });
    for (const plain of [
      'http://cp.example',
      'ws://10.0.0.1:8081',
      'http://127.0.0.1.evil.example',
      'ftp://127.0.0.1',
      'cp.example',
      'https://user:pass@cp.example',
    ]) {
      expect(syncUrl(plain).ok).toBe(false);
    }
  });

  test('on this machine plain HTTP will do', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '[::1]']) {
      expect(syncUrl(`http://${host}:8081`)).toEqual({ ok: true, url: `ws://${host}:8081/v1/sync` });
    }
  });

  test('pauses grow, are never longer than ten seconds, and differ from node to node', () => {
    let pause = 0;
    for (let n = 0; n < 20; n++) {
      pause = nextBackoffMs(pause, () => 0.999);
      expect(pause).toBeGreaterThanOrEqual(200);
      expect(pause).toBeLessThanOrEqual(10_000);
    }
    expect(pause).toBe(10_000);
    expect(nextBackoffMs(5000, () => 0.1)).not.toBe(nextBackoffMs(5000, () => 0.7));
  });
});

import { afterEach, expect, test } from '@jest/globals';
import { connectRedis, type RedisClient } from './connect.ts';

const said: string[] = [];
let client: RedisClient;
afterEach(() => client.disconnect());

test('while Redis is away every command fails at once, and nothing is thrown outside of it', async () => {
  client = connectRedis('redis://127.0.0.1:1', (why) => said.push(why));
  await expect(client.connect()).rejects.toThrow();
  const startMs = performance.now();
  await expect(client.get('a')).rejects.toThrow();
  expect(performance.now() - startMs).toBeLessThan(1_000);
  expect(said.length).toBeGreaterThan(0);
});

test('no command is kept for later or sent twice: a resent grant or return would mint tokens', () => {
  client = connectRedis('redis://127.0.0.1:1', () => undefined);
  expect(client.options).toMatchObject({
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  });
});

import { Redis } from 'ioredis';

export type RedisClient = Redis;

/**
 * The one door to Redis. Commands fail at once while the connection is away (no offline queue), and a command whose answer was lost is
 * never sent again: a resent return or grant would mint tokens. Nothing is connected until `connect()`; from then on it reconnects by itself.
 */
export function connectRedis(url: string, onError: (why: string) => void): RedisClient {
  const client = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    commandTimeout: 1_000,
    retryStrategy: (attempt) => Math.min(100 * 2 ** Math.min(attempt, 6), 5_000),
  });
  client.on('error', (error: Error) => onError(error.message));
  return client;
}

import { expect, test } from '@jest/globals';
import { UsageBook } from './usageBook.ts';

const facts = { clientText: '192.0.2.1', header: () => undefined };

test('a few keys are told of at every turn, a crowd once a second, and no use is lost', () => {
  const book = new UsageBook();
  book.note('one', true, 0, facts);
  expect(book.takeDue(0)).toHaveLength(1);
  book.note('one', true, 100, facts);
  expect(book.takeDue(200)).toHaveLength(1);
  for (let i = 0; i < 1000; i++) book.note(`key${i}`, true, 300, facts);
  expect(book.takeDue(400)).toEqual([]);
  for (let i = 0; i < 1000; i++) book.note(`key${i}`, false, 500, facts);
  const told = book.takeDue(1200);
  expect(told).toHaveLength(1000);
  expect(told.every((entry) => entry.allowed === 1 && entry.refused === 1)).toBe(true);
  expect(book.takeDue(1400)).toEqual([]);
});

test('a clock that is set back holds nothing up', () => {
  const book = new UsageBook();
  for (let i = 0; i < 100; i++) book.note(`key${i}`, true, 10_000, facts);
  expect(book.takeDue(10_000)).toHaveLength(100);
  for (let i = 0; i < 100; i++) book.note(`key${i}`, true, 5000, facts);
  expect(book.takeDue(5000)).toHaveLength(100);
});

test('a book that fills up is emptied before details are lost', () => {
  const book = new UsageBook();
  book.note('first', true, 0, facts);
  book.takeDue(0);
  for (let i = 0; i < 10_000; i++) book.note(`key${i}`, true, 100, facts);
  expect(book.takeDue(200)).toHaveLength(10_000);
  expect(book.overflow).toBe(0);
});

test('at the end everything is taken, due or not', () => {
  const book = new UsageBook();
  book.note('first', true, 0, facts);
  book.takeDue(0);
  for (let i = 0; i < 100; i++) book.note(`key${i}`, true, 10, facts);
  expect(book.take()).toHaveLength(100);
});

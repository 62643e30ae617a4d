export interface Answer {
  status: number;
  text: string;
}

/** Makes a request: `GET /path`. Of a stream of events nothing is read: it has no end. */
export async function ask(url: string, operation: string, token: string | undefined, body?: object): Promise<Answer> {
  const [method, path] = operation.split(' ') as [string, string];
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
    redirect: 'manual',
    signal: AbortSignal.timeout(15_000),
  });
  const endless = response.headers.get('content-type')?.startsWith('text/event-stream');
  if (!endless) return { status: response.status, text: await response.text() };
  await response.body?.cancel();
  return { status: response.status, text: '' };
}

/**
 * Native message ids begin with `msg_`; the draft's have any form. Each of the draft's is a native id of its own, and is
 * found again in it: one of the native form stays as it is, any other is put behind a mark.
 */
import { isId, type MessageId } from '../../protocol/ids.js';

const MARK = 'msg_~';

export function toMessageId(draftId: string): MessageId {
  return isId('message', draftId) && !draftId.startsWith(MARK) ? draftId : `${MARK}${draftId}`;
}

export function fromMessageId(id: string): string {
  return id.startsWith(MARK) ? id.slice(MARK.length) : id;
}

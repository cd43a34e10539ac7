/* Calls that answer with many messages: those of a method that is `sending`. Its `work` runs in turns, never
 * two at once: one for each message that the client sends (call->asked; query_read takes it apart), and one
 * more each time what it gave out was written or news came. A turn ends in one of these:
 *   CALL_SEND    reply.message goes out; the next turn comes when it was written. So a client that reads
 *                slowly holds one message and no thread, and one that takes none for `answer_ms` is cut off.
 *   CALL_PARK    nothing to send now. The next turn comes with the next stream_notify, or at once where one
 *                came after this turn began: who looks for news, finds none and parks misses nothing. A
 *                parked call holds neither a thread nor room.
 *   CALL_MORE    the client is asked for its next message, where the method is `streaming` too.
 *   CALL_ANSWER  the status goes out, behind reply.message where it is OK and there is one.
 * A parked call gets a turn without news every `prove_ms`, when its caller is looked at again: where its
 * identity is no longer good, the stream ends instead. A stream whose client is gone gets no further turn.
 * When the server stops, each stream gets one more, in which services->stopping is true; what that sends
 * still goes out, then the stream ends UNAVAILABLE.
 *
 * However a stream ends, `state` is freed: by the turn that says CALL_ANSWER, or by `drop`. After that no
 * one may call stream_notify for it: a method that has its call in somebody's list takes it out there first,
 * under the lock under which they notify. */
#ifndef EPCISD_FRONT_STREAM_H
#define EPCISD_FRONT_STREAM_H

struct call;

/* There may be something new to send: the call gets another turn. From the first turn on to the end of
 * `state`, on any thread, as often as one likes: all that comes before the next turn is one piece of news.
 * Does not block. */
void stream_notify(struct call *call);

/* The rest is for call.c and runs on the loop. */

/* Of a sending call: what stream_notify and the loop tell each other. */
enum stream_news {
    STREAM_NEWS_NONE,  /* since the last turn began */
    STREAM_NEWS_CAME,  /* so the next turn is due, or nobody cares any more */
    STREAM_NEWS_AWAIT, /* it is parked: whoever notifies wakes the loop */
};

/* Learns from now on when the client goes. */
void stream_begin(struct call *call);

/* Between two turns: sends reply.message; waits for news; ends the call because the client is gone or the
 * server stops. */
void stream_send(struct call *call);
void stream_park(struct call *call);
void stream_end(struct call *call);

/* While a message is being sent: the client takes too long. */
void stream_cut_off(struct call *call);

#endif

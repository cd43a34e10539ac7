#include "server/front/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct queue {
    struct pool_job *first;
    struct pool_job **end;
    unsigned running; /* threads on jobs of this kind */
};

struct pool {
    pthread_mutex_t lock; /* guards all below but `threads`, `count`, `arena_bytes` */
    pthread_cond_t work;
    struct queue queues[POOL_KINDS];
    enum pool_kind turn; /* the kind that is looked at first */
    bool stopping;
    size_t arena_bytes;
    unsigned count;
    pthread_t threads[];
};

static struct pool_job *next_job(struct pool *pool)
{
    for (int i = 0; i < POOL_KINDS; i++) {
        struct queue *queue = &pool->queues[(pool->turn + i) % POOL_KINDS];
        struct pool_job *job = queue->first;
        if (!job || queue->running + 1 >= pool->count)
            continue;
        queue->first = job->next;
        if (!queue->first)
            queue->end = &queue->first;
        queue->running++;
        pool->turn = (enum pool_kind)((job->kind + 1) % POOL_KINDS);
        return job;
    }
    return NULL;
}

static bool queues_empty(const struct pool *pool)
{
    for (int i = 0; i < POOL_KINDS; i++)
        if (pool->queues[i].first)
            return false;
    return true;
}

static void *pool_thread(void *context)
{
    struct pool *pool = context;
    struct arena arena;
    arena_init(&arena, pool->arena_bytes);
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct pool_job *job = next_job(pool);
        if (!job) {
            if (pool->stopping && queues_empty(pool))
                break;
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        enum pool_kind kind = job->kind; /* the job may be gone after its run */
        pthread_mutex_unlock(&pool->lock);
        job->run(job, &arena);
        arena_reset(&arena);
        pthread_mutex_lock(&pool->lock);
        pool->queues[kind].running--;
        /* Somebody may have passed this kind over while it had its share of threads. */
        if (pool->queues[kind].first || pool->stopping)
            pthread_cond_broadcast(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    arena_free(&arena);
    return NULL;
}

enum err pool_init(unsigned threads, size_t arena_bytes, struct pool **out)
{
    CHECK(threads >= 2);
    *out = NULL;
    struct pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (!pool)
        return ERR_MEMORY;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    for (int i = 0; i < POOL_KINDS; i++)
        pool->queues[i].end = &pool->queues[i].first;
    pool->arena_bytes = arena_bytes;
    pool->count = threads; /* each thread reads it, so it stands before they run */
    for (unsigned started = 0; started < threads; started++) {
        if (pthread_create(&pool->threads[started], NULL, pool_thread, pool)) {
            pthread_mutex_lock(&pool->lock);
            pool->count = started;
            pthread_mutex_unlock(&pool->lock);
            pool_free(&pool);
            return ERR_SYSTEM;
        }
    }
    *out = pool;
    return ERR_OK;
}

void pool_submit(struct pool *pool, struct pool_job *job)
{
    struct queue *queue = &pool->queues[job->kind];
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    *queue->end = job;
    queue->end = &job->next;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

void pool_free(struct pool **pool)
{
    struct pool *freed = *pool;
    *pool = NULL;
    if (!freed)
        return;
    pthread_mutex_lock(&freed->lock);
    freed->stopping = true;
    pthread_cond_broadcast(&freed->work);
    pthread_mutex_unlock(&freed->lock);
    for (unsigned i = 0; i < freed->count; i++)
        pthread_join(freed->threads[i], NULL);
    pthread_cond_destroy(&freed->work);
    pthread_mutex_destroy(&freed->lock);
    free(freed);
}

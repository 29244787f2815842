/* SPDX-License-Identifier: MIT */
#include "http/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "core/option.h"
#include "http/control.h"
#include "http/control_path.h"
#include "http/local.h"
#include "http/server.h"

struct options {
    const char *control;
    bool force;
    bool json;
    bool help;
};

/* clang-format off */
static const struct sj_option table[] = {
    {.name = "control", .type = SJ_OPTION_TEXT, .offset = offsetof(struct options, control), .argument = "PATH", .help = "the server's control socket; default: where servers make it by default"},
    {.name = "force", .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, force), .help = "reload, whatever the server's --refuse-if says"},
    {.name = "json", .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, json), .help = "status as JSON"},
    {.name = "help", .letter = 'h', .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, help), .help = "print this and exit"},
    {0},
};
/* clang-format on */

struct command {
    const char *name;
    const char *help;
    const char *json;  /* its request for JSON, or NULL */
    const char *force; /* with --force, or NULL */
};

static const struct command commands[] = {
    {"reload", "index the files again; waits for the result", NULL, "reload force"},
    {"status", "what the server is doing", "status json", NULL},
    {"rollback", "serve the deploy before this one again", NULL, NULL},
    {"stop", "drain and stop, as SIGTERM does", NULL, NULL},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

bool sj_remote_has(const char *command)
{
    return find(command) != NULL;
}

void sj_remote_help(FILE *to)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-8s  %s\n", commands[i].name, commands[i].help);
    fputs("\nOptions of these:\n", to);
    sj_options_help(table, to);
}

static int misuse(const char *text)
{
    fprintf(stderr, "scrubjay: %s\n", text);
    return SJ_EXIT_USAGE;
}

/* A connected socket, or -errno. */
static int connect_to(const char *path)
{
    struct sockaddr_un address;
    int error = sj_local_address(path, &address), end;

    if (error != 0)
        return error;
    end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (end < 0)
        return -errno;
    if (connect(end, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return end;
    error = -errno;
    close(end);
    return error;
}

void sj_remote_say_nobody(const char *option)
{
    char paths[SJ_CONTROL_PLACES][SJ_CONTROL_PATH];
    unsigned n = sj_control_places(option, paths);

    fputs("scrubjay: no server answers at ", stderr);
    for (unsigned i = 0; i < n; i++)
        fprintf(stderr, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", paths[i]);
    fputs(": is it running?  If its control socket is elsewhere, give --control PATH\n", stderr);
}

/* A connected socket; -ENOENT: nobody answers; -EIO: something else, and it has been said. */
static int connect_to_server(const char *option)
{
    char paths[SJ_CONTROL_PLACES][SJ_CONTROL_PATH];
    unsigned n = sj_control_places(option, paths);

    for (unsigned i = 0; i < n; i++) {
        int end = connect_to(paths[i]);

        if (end >= 0)
            return end;
        if (end != -ENOENT && end != -ENOTDIR && end != -ECONNREFUSED) {
            fprintf(stderr, "scrubjay: cannot connect to %s: %s%s\n", paths[i], strerror(-end),
                    end == -EACCES ? "; only root and the server's own user may" : "");
            return -EIO;
        }
    }
    return -ENOENT;
}

/* Copies the answer's text; the exit status.  How the connection ends says nothing: a server that
 * has turned us away may have reset it. */
static int relay(FILE *from)
{
    char line[16] = "", text[4096];
    bool is_ok, is_refused, is_error;
    FILE *to;

    (void)!fgets(line, sizeof(line), from);
    is_ok = strcmp(line, "ok\n") == 0;
    is_refused = strcmp(line, "refused\n") == 0;
    is_error = strcmp(line, "error\n") == 0;
    if (!is_ok && !is_refused && !is_error) {
        fputs("scrubjay: the server ended before it had answered\n", stderr);
        return EXIT_FAILURE;
    }
    to = is_error ? stderr : stdout;
    if (is_error)
        fputs("scrubjay: ", to);
    for (size_t n; (n = fread(text, 1, sizeof(text), from)) > 0;)
        fwrite(text, 1, n, to);
    return fflush(to) == 0 && is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int sj_remote_ask(const char *request, const char *option)
{
    int socket = connect_to_server(option), status;
    char line[SJ_CONTROL_LINE + 2]; /* what is too long the server refuses */
    FILE *from;

    if (socket < 0)
        return socket == -ENOENT ? SJ_REMOTE_NOBODY : EXIT_FAILURE;
    snprintf(line, sizeof(line), "%s\n", request);
    from = fdopen(socket, "r");
    if (from == NULL) {
        close(socket);
        fputs("scrubjay: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    (void)!send(socket, line, strlen(line), MSG_NOSIGNAL); /* an answer may come all the same */
    status = relay(from);
    fclose(from);
    return status;
}

/* The request that the options make of it; NULL: it does not take one of them, `error` says which.
 */
static const char *compose(const struct command *command, const struct options *options,
                           char *error, size_t error_size)
{
    const char *lacking = NULL;

    if (options->json && command->json == NULL)
        lacking = "--json";
    else if (options->force && command->force == NULL)
        lacking = "--force";
    if (lacking != NULL) {
        snprintf(error, error_size, "%s: %s has no such form", lacking, command->name);
        return NULL;
    }
    return options->json ? command->json : options->force ? command->force : command->name;
}

static int ask_or_say(const char *request, const char *option)
{
    int status = sj_remote_ask(request, option);

    if (status != SJ_REMOTE_NOBODY)
        return status;
    sj_remote_say_nobody(option);
    return EXIT_FAILURE;
}

int sj_remote_run(int argc, char **argv)
{
    const char *request;
    const struct command *command = find(argv[0]);
    struct options options = {0};
    char error[512];
    int first;

    if (sj_options_parse(table, argc, argv, &options, &first, error, sizeof(error)) != 0)
        return misuse(error);
    if (options.help) {
        printf("Usage: scrubjay %s [OPTION]...   %s\n\n", command->name, command->help);
        sj_options_help(table, stdout);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (first < argc)
        snprintf(error, sizeof(error), "%s: '%s' is too much: it takes only options", command->name,
                 argv[first]);
    else if (options.control != NULL && strcmp(options.control, "none") == 0)
        snprintf(error, sizeof(error), "--control none: %s needs a control socket", command->name);
    else if ((request = compose(command, &options, error, sizeof(error))) != NULL)
        return ask_or_say(request, options.control);
    return misuse(error);
}

/* SPDX-License-Identifier: MIT */
#include "http/plan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/control.h"
#include "http/remote.h"
#include "http/server.h"

struct options {
    struct sj_config config;
    bool all;
    bool json;
    bool local;
};

#define OWN_ROWS 3 /* the first ones; the others are rows of serve as well */

/* clang-format off */
static const struct sj_option asking[] = {
    {.name = "all", .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, all), .help = "all of each list, not only the beginning"},
    {.name = "json", .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, json), .help = "all of it as JSON"},
    {.name = "local", .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, local), .help = "ask no server: what would an index of ROOT hold"},
    {.name = "control", .type = SJ_OPTION_TEXT, .offset = offsetof(struct options, config.control), .argument = "PATH", .help = "the server's control socket; default: where servers make it by default"},
    {.name = "help", .letter = 'h', .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, config.help), .help = "print this and exit"},
    {0},
};
/* clang-format on */

void sj_plan_help(FILE *to)
{
    sj_options_help(asking, to);
}

static int print_help(void)
{
    fputs(
        "Usage: scrubjay plan [OPTION]... [[PREFIX=]DIR]\n\n"
        "What would a reload of the running server change, with DIR in the place of its root?\n\n",
        stdout);
    sj_plan_help(stdout);
    fputs("\nWith options of serve, or where no server answers: what would an index of DIR hold?\n",
          stdout);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int misuse(const char *text)
{
    fprintf(stderr, "scrubjay: %s\n", text);
    return SJ_EXIT_USAGE;
}

static enum sj_plan_form form_of(const struct options *options)
{
    return options->json ? SJ_PLAN_JSON : options->all ? SJ_PLAN_WHOLE : SJ_PLAN_SHORT;
}

/* The rows of a plan that asks nobody: its own, then those of serve.  NULL: no memory. */
static struct sj_option *make_table(void)
{
    size_t n_rows = 0;
    struct sj_option *table;

    while (sj_config_table[n_rows].name != NULL || sj_config_table[n_rows].help != NULL)
        n_rows++;
    table = calloc(OWN_ROWS + n_rows + 1, sizeof(*table));
    if (table != NULL) {
        memcpy(table, asking, OWN_ROWS * sizeof(*table));
        memcpy(table + OWN_ROWS, sj_config_table, n_rows * sizeof(*table));
    }
    return table;
}

static int run_local(const struct options *options, const char *root)
{
    const struct sj_config *config = &options->config;
    size_t n_roots;
    const char **roots;
    int status;

    if (root == NULL && config->root.n_items == 0)
        return misuse("plan needs a ROOT where it asks no server: scrubjay plan DIR");
    roots = sj_config_roots(config, root, &n_roots);
    if (roots == NULL)
        return EXIT_FAILURE;
    if (options->json || config->refuse_if.n_items > 0)
        status = sj_server_plan(config, roots, n_roots, form_of(options));
    else
        status = sj_server_print(config, roots, n_roots);
    free(roots);
    return status;
}

static int plan_locally(int argc, char **argv)
{
    struct sj_option *table = make_table();
    struct options options = {0};
    char error[512];
    int first, status;

    if (table == NULL)
        return misuse("out of memory");
    if (sj_options_parse(table, argc, argv, &options, &first, error, sizeof(error)) != 0)
        status = misuse(error);
    else if (options.config.help)
        status = print_help();
    else if (argc - first > 1)
        status = misuse("more than one ROOT: give several with --root [PREFIX=]DIR");
    else
        status = run_local(&options, argc > first ? argv[first] : NULL);
    sj_options_fini(table, &options);
    free(table);
    return status;
}

/* What is asked of the server, which may be in another directory: the DIR of [PREFIX=]DIR becomes
 * absolute.  False: that cannot be said in one line. */
static bool compose(enum sj_plan_form form, const char *root, char line[SJ_CONTROL_LINE])
{
    static const char *const forms[] = {
        [SJ_PLAN_SHORT] = "text", [SJ_PLAN_WHOLE] = "whole", [SJ_PLAN_JSON] = "json"};
    const char *equals = root == NULL || root[0] == '.' ? NULL : strchr(root, '=');
    const char *path = equals == NULL ? root : equals + 1;
    int prefix_length = equals == NULL ? 0 : (int)(equals - root), length;
    char here[PATH_MAX] = "";

    if (root == NULL)
        return snprintf(line, SJ_CONTROL_LINE, "plan %s", forms[form]) > 0;
    if (path[0] != '/' && path[0] != '\0' && getcwd(here, sizeof(here)) == NULL)
        return false;
    length = snprintf(line, SJ_CONTROL_LINE, "plan %s %s%.*s=%s%s%s", forms[form],
                      root[0] == '/' && equals != NULL ? "" : "/", prefix_length, root, here,
                      here[0] != '\0' ? "/" : "", path);
    return length < SJ_CONTROL_LINE - 1 && strpbrk(line, "\r\n") == NULL;
}

/* Is there a plan to make without a server? */
static bool may_do_without(const struct options *options, const char *root)
{
    return root != NULL && options->config.control == NULL;
}

/* The exit status; or SJ_REMOTE_NOBODY, and it is to be done here. */
static int ask(const struct options *options, const char *root)
{
    const char *control = options->config.control;
    char line[SJ_CONTROL_LINE];
    int status;

    if (control != NULL && strcmp(control, "none") == 0)
        return SJ_REMOTE_NOBODY;
    if (!compose(form_of(options), root, line))
        return misuse("the name of that ROOT cannot be sent to the server: too long, or more than "
                      "one line");
    status = sj_remote_ask(line, control);
    if (status != SJ_REMOTE_NOBODY)
        return status;
    if (may_do_without(options, root)) {
        fputs("scrubjay: no server was asked, as none answers: this is what an index of that ROOT "
              "would hold\n",
              stderr);
        return SJ_REMOTE_NOBODY;
    }
    sj_remote_say_nobody(control);
    return EXIT_FAILURE;
}

int sj_plan_run(int argc, char **argv)
{
    struct options options = {0};
    int first, status = SJ_REMOTE_NOBODY;
    char error[512];

    if (sj_options_parse(asking, argc, argv, &options, &first, error, sizeof(error)) == 0) {
        if (options.config.help)
            return print_help();
        if (!options.local && argc - first <= 1)
            status = ask(&options, argc > first ? argv[first] : NULL);
    }
    return status != SJ_REMOTE_NOBODY ? status : plan_locally(argc, argv);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What systemd asks of a service: sockets that it passes (sd_listen_fds(3)), and being told of states (sd_notify(3)).
 *
 * Both protocols are a few lines, so there is no library for them here. Call them from the main thread.
 */
#ifndef LOCKSTEP_SERVE_SYSTEMD_H
#define LOCKSTEP_SERVE_SYSTEMD_H

/* The socket that was passed, or -1 when none was; it is then this process's alone, not its children's. */
int ls_systemd_socket(void);

/* Tell "READY=1" and the like; nothing happens where nobody listens. */
void ls_systemd_notify(const char *state);

#endif

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "util/log.h"
#include "view/bus_impl.h"

/* From the main thread to the bus thread. */

struct order {
	struct letter letter;
	struct view_bus *bus;
	enum { LISTEN, IGNORE, INPUT, MONITOR } kind;
	unsigned console;
	union {
		struct display_input input;
		struct display_monitor monitor;
	};
};

static void deliver_order(struct letter *letter)
{
	struct order *order = container_of(letter, struct order, letter);
	struct view_bus *bus = order->bus;
	struct display_client *client = bus->client;
	uint32_t bit = 1u << order->console;
	switch (order->kind) {
	case LISTEN:
		bus->listening |= bit;
		if (client != NULL) {
			display_client_listen(client, order->console);
		}
		break;
	case IGNORE:
		bus->listening &= ~bit;
		if (client != NULL) {
			display_client_ignore(client, order->console);
		}
		view_bus_forget(bus, order->console);
		break;
	case INPUT:
		if (client != NULL) {
			display_client_input(client, order->console, &order->input);
		}
		break;
	case MONITOR:
		if (client != NULL) {
			display_client_set_monitor(client, order->console, &order->monitor);
		}
		break;
	}
	free(order);
}

static void discard_order(struct letter *letter)
{
	free(container_of(letter, struct order, letter));
}

/* Without it the machine would hold for ever what the user does not, or nothing would be shown. */
static bool is_vital(const struct order *order)
{
	const struct display_input *input = &order->input;
	switch (order->kind) {
	case LISTEN:
	case IGNORE:
		return true;
	case MONITOR:
		return false;
	case INPUT:
		break;
	}
	return (input->kind == DISPLAY_KEY && !input->key.down) ||
	       (input->kind == DISPLAY_BUTTON && !input->button.down) ||
	       (input->kind == DISPLAY_TOUCH && (input->touch.kind == DISPLAY_TOUCH_END ||
						 input->touch.kind == DISPLAY_TOUCH_CANCEL)) ||
	       input->kind == DISPLAY_RELEASE_ALL;
}

static void post(struct view_bus *bus, struct order order)
{
	struct order *copy = malloc(sizeof(*copy));
	if (copy == NULL) {
		log_limited(LOG_ERROR, "out of memory: something was not sent to the machine");
		if (is_vital(&order)) {
			/* The end of the connection releases everything. */
			view_bus_tell_gone(bus, -ENOMEM);
		}
		return;
	}
	*copy = order;
	copy->bus = bus;
	copy->letter.deliver = deliver_order;
	copy->letter.discard = discard_order;
	mailbox_post(&bus->mailbox, &copy->letter);
}

void view_bus_listen(struct view_bus *bus, unsigned console, bool on)
{
	post(bus, (struct order){.kind = on ? LISTEN : IGNORE, .console = console});
}

void view_bus_input(struct view_bus *bus, unsigned console, const struct display_input *input)
{
	post(bus, (struct order){.kind = INPUT, .console = console, .input = *input});
}

void view_bus_monitor(struct view_bus *bus, unsigned console, const struct display_monitor *monitor)
{
	post(bus, (struct order){.kind = MONITOR, .console = console, .monitor = *monitor});
}

void view_bus_answer(struct view_bus *bus, struct view_update *update)
{
	if (update != NULL) {
		mailbox_post(&bus->mailbox, &update->letter);
	}
}

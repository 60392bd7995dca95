"""A view for Django: urlpatterns = [path("webhooks", with_django.receive)]. It needs VIDHOOK_SECRET=whsec_..."""

import logging
import os

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from standardwebhooks import Webhook, WebhookVerificationError

logging.basicConfig(level=logging.INFO, format="%(message)s")
SEEN = set()  # in earnest: a database table with a unique key


@csrf_exempt  # the signature is what protects it
@require_POST
def receive(request):
    try:
        event = Webhook(os.environ["VIDHOOK_SECRET"]).verify(request.body, request.headers)
    except (WebhookVerificationError, ValueError):
        return HttpResponse(status=401)
    if event["id"] not in SEEN:
        SEEN.add(event["id"])
        logging.info("%s %s", event["id"], event["type"])  # in earnest: queue it, and work after the answer
    return HttpResponse(status=204)

"""The page that a mail links to: the task, its files, and what became of each of its reminders."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from attachments.errors import AttachmentError
from attachments.models import Attachment
from attachments.receiving import ReceivedFile
from attachments.scanning import SCANNER
from attachments.services import add_attachment
from reminders.channels import EMAIL
from reminders.channels.mime import describe_due
from reminders.models import Delivery, Reminder
from taskapp.models import Task
from taskapp.services import complete_task
from work import breaker

REMINDERS_SHOWN = 50


@login_required
@require_http_methods(["GET", "POST"])
def task_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the task; POST marks it as done, or adds a file that comes with it."""
    task = get_object_or_404(Task.objects.owned_by(request.user).present(), pk=pk)  # type: ignore[arg-type]
    if request.method == "POST":
        add_file(request, task) if "upload" in request.POST else complete_task(task)
        return redirect("task-page", pk=pk)
    # What another was told, while the task was theirs, is between them and us.
    own = Prefetch("deliveries", queryset=Delivery.objects.owned_by(request.user))  # type: ignore[arg-type]
    reminders = Reminder.objects.filter(task=task).prefetch_related(own)[:REMINDERS_SHOWN]
    due = gettext("no due date")
    if task.due_at:
        due = describe_due(task.due_at, zone=task.timezone, all_day=task.all_day)
    attachments = Attachment.objects.filter(task=task).present().prefetch_related("thumbnails", own)
    context = {
        "task": task, "due": due, "reminders": reminders, "parked": breaker.why_open(EMAIL),
        "attachments": attachments, "scanner_away": breaker.why_open(SCANNER),
    }  # fmt: skip
    return render(request, "reminders/task.html", context)


def add_file(request: HttpRequest, task: Task) -> None:
    """What is wrong with the file is said on the page that is shown next."""
    upload = request.FILES.get("file")
    if upload is None:
        messages.error(request, gettext("Choose a file."))
        return
    try:
        add_attachment(task, upload=cast(ReceivedFile, upload), by=cast(User, request.user))
    except AttachmentError as error:
        messages.error(request, str(error))

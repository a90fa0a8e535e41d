# One image for every process of the service: web by default; docker-compose.yml gives the others their commands.
# What may enter it is listed in .dockerignore.

FROM python:3.13-slim AS build

RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /app

# Before the code, so that a change of the code leaves this layer as it is.
COPY requirements.txt requirements-s3.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps --compile -r requirements.txt -r requirements-s3.txt

COPY . .
# The catalogues of translations are compiled by Babel, which brings what it needs.
# The settings want an environment; nothing of this one stays, since the image below begins anew.
# Redoc: the other of two viewers of the API that a package brings; the one in use is Swagger UI.
RUN python -m languages.catalogues \
    && SECRET_KEY=for-this-step-only \
    DATABASE_URL=postgresql://nobody@localhost/none \
    REDIS_URL=redis://localhost:6379/0 \
    python manage.py collectstatic --no-input --verbosity=0 --ignore=redoc \
    && python -m compileall -q .


FROM python:3.13-slim

RUN groupadd --system --gid 10001 taskapp \
    && useradd --system --uid 10001 --gid taskapp --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin taskapp \
    && install --directory --owner=taskapp --group=taskapp --mode=0700 /data

COPY --from=build /venv /venv
COPY --from=build /app /app

# launcher/version.py says the same, and a test compares them.
LABEL org.opencontainers.image.title="Taskapp" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT"

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATA_DIR=/data

WORKDIR /app
USER taskapp
VOLUME /data
EXPOSE 8000

# Alive: the process answers. It asks nobody else, so a database that is away does not make the web processes restart.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]

CMD ["gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]
